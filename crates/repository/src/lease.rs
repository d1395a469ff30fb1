//! The port of the leases: which instance of several owns which lane.
//!
//! Ownership is an affinity: it brings the writes of a lane together in one instance, whose batches
//! then meet nobody else's. It is never a licence. What an owner appends is compared and set like
//! everything else, and taking a lane raises its epoch, so that whatever the previous owner still
//! has on its way is refused by the store ([`LogError::Fenced`]).

mod plan;
mod spread;

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Lane, LogError};

pub use plan::Moves;
pub use spread::spread;

/// Counts the owners of a lane: each taking raises it.
pub type Epoch = u64;

/// The right to write a lane: the log refuses an append under it once the lane's epoch is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub lane: Lane,
    pub epoch: Epoch,
}

/// One instance, for as long as its process lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: Uuid,
    /// `host:port` at which the others reach it.
    pub address: String,
}

/// Who is there, and who owns what, at one moment by the store's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Those whose lease is not over, by id.
    pub members: Vec<Member>,
    /// One for each lane, in order.
    pub lanes: Vec<LaneOwner>,
}

/// The owner of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOwner {
    /// A member; `None` where the lane is free, or its last owner's lease is over.
    pub owner: Option<Uuid>,
    pub epoch: Epoch,
}

/// Leases of the instances of one store, and the lanes that they own under them.
///
/// Laws, which the conformance suite checks on every adapter:
/// - at any moment a lane has one owner at most, whose lease is not over by the store's clock;
/// - whoever takes a lane that was not his raises its epoch in the same step;
/// - a lease that is over is over: renewing it begins another one, and the lanes are lost;
/// - a lane that is handed over or left goes to nobody whose lease is over.
#[async_trait]
pub trait LaneLeases: Send + Sync + 'static {
    /// Makes an instance a member, or its lease last until `lease` from now, and tells who is there.
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Roster, LogError>;

    /// Tells who is there.
    async fn roster(&self) -> Result<Roster, LogError>;

    /// Takes a lane that is free or whose owner's lease is over. The lane's epoch from then on, also
    /// where the lane was the member's already; `None`: another member has it, or this one's lease
    /// is over, or there is no such lane.
    async fn claim(&self, member: Uuid, lane: Lane) -> Result<Option<Epoch>, LogError>;

    /// Gives a lane to another member. `false`, and nothing has changed: it was not `from`'s to
    /// give, or the other's lease is over.
    async fn hand_over(&self, from: Uuid, lane: Lane, to: Uuid) -> Result<bool, LogError>;

    /// Ends a lease before its time; the lanes under it are free.
    async fn leave(&self, member: Uuid) -> Result<(), LogError>;
}

/// How an instance judges its own lease: by its monotonic clock, from before the renewal was sent.
///
/// The store counts the lease from when it had the renewal, which was later. The two clocks may run
/// at different rates, so a part of the lease is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    until: Instant,
}

impl Term {
    /// One of so many parts of a lease is not used: no clock is off by more.
    const UNUSED_PART: u32 = 20;

    /// What a renewal is worth that was sent at `sent` and granted.
    pub fn granted(sent: Instant, lease: Duration) -> Self {
        Self { until: sent + (lease - lease / Self::UNUSED_PART) }
    }

    /// No lease.
    pub fn over(now: Instant) -> Self {
        Self { until: now }
    }

    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// What is left of it.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

impl Roster {
    pub fn member(&self, id: Uuid) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The ids of the members.
    pub fn ids(&self) -> Vec<Uuid> {
        self.members.iter().map(|member| member.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_begins_before_its_renewal_was_sent_and_ends_before_the_lease() {
        let sent = Instant::now();
        let lease = Duration::from_secs(10);
        let term = Term::granted(sent, lease);
        assert!(!term.is_over(sent));
        assert!(!term.is_over(sent + Duration::from_secs(9)));
        // However late the answer came: what counts is when it was asked for.
        assert!(term.is_over(sent + Duration::from_millis(9_500)));
        assert_eq!(term.left(sent + Duration::from_secs(9)), Duration::from_millis(500));
        assert_eq!(term.left(sent + Duration::from_secs(40)), Duration::ZERO);
        assert!(Term::over(sent).is_over(sent));
    }
}
