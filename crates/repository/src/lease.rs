//! The port of the leases: which instance of several owns which lane.
//!
//! Ownership is used in two ways. As a routing hint, it brings the writes of a lane together in one
//! instance, so that its batches do not conflict with those of others; correctness then comes from
//! compare-and-set alone. As a licence, an owner puts its [`Fence`] on what it appends: taking a lane raises
//! its epoch, and the log refuses what is fenced for an older one ([`LogError::Fenced`]).

mod assign;
mod local;
mod plan;
mod table;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Lane, LogError};

pub use assign::assign;
pub use local::LocalLease;
pub use plan::Moves;
pub use table::{Claimed, LeaseTable};

/// Counts the owners of a lane: each taking raises it, also over restarts of the store.
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

/// The instances that hold a lease, and who owns which lane, at one moment by the store's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// Those whose lease is not over, by id.
    pub members: Vec<Member>,
    /// One for each lane, in order.
    pub lanes: Vec<LaneOwner>,
}

/// The owner of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOwner {
    /// A member; `None` where nobody owns the lane now: it is free, or its last owner's lease is over.
    pub owner: Option<Uuid>,
    pub epoch: Epoch,
}

/// Leases of the instances of one store, and the lanes that they own under them.
///
/// Laws, which the conformance suite checks on every adapter:
/// - at any moment a lane has one owner at most, whose lease is not over by the store's clock;
/// - whoever takes a lane that was not its own raises the lane's epoch in the same step, and it never
///   goes down, also where the store is closed and opened again;
/// - a lease that is over is over: renewing it begins another one, and the lanes are lost;
/// - a lane that is handed over or left goes to nobody whose lease is over;
/// - an append that is fenced for an older epoch of a lane is not in the log before the answer to the
///   taking of that lane, unless it was already then, and never comes to be in it later.
#[async_trait]
pub trait LaneLeases: Send + Sync + 'static {
    /// Makes an instance a member, or its lease last until `lease` from now, and tells who is there.
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Membership, LogError>;

    /// Tells who is there, and who owns what.
    async fn membership(&self) -> Result<Membership, LogError>;

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

impl Membership {
    pub fn member(&self, id: Uuid) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The ids of the members.
    pub fn ids(&self) -> Vec<Uuid> {
        self.members.iter().map(|member| member.id).collect()
    }

    /// Who owns a lane; `None`: nobody does now.
    pub fn owner_of(&self, lane: Lane) -> Option<&Member> {
        self.member(self.lanes.get(usize::from(lane.0))?.owner?)
    }
}
