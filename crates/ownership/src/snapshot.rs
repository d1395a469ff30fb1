//! What an instance knows of the owners at one moment.

use std::sync::Arc;

use gamemesh_repository::{Epoch, Fence, Lane, LocalLease};
use gamemesh_rpc::peer::Peer;
use tokio::time::Instant;

/// Who owns a lane.
#[derive(Clone)]
pub(crate) enum Owner {
    /// This instance, since this epoch.
    Me(Epoch),
    Peer(Arc<Peer>),
    /// Nobody, or nobody that this instance can call.
    Nobody,
}

pub(crate) struct OwnershipSnapshot {
    owners: Vec<Owner>,
    /// This instance's own lease.
    lease: LocalLease,
    /// Whether waiting would bring something better: the lease of this snapshot has run out, and nobody
    /// has tried since to renew it.
    renewable: bool,
}

impl OwnershipSnapshot {
    /// Of an instance with a lease.
    pub(crate) fn new(owners: Vec<Owner>, lease: LocalLease) -> Self {
        Self { owners, lease, renewable: true }
    }

    /// Of an instance whose lease could not be renewed: it knows nothing.
    pub(crate) fn unknown(lanes: u16, now: Instant) -> Self {
        let owners = vec![Owner::Nobody; usize::from(lanes)];
        Self { owners, lease: LocalLease::over(now), renewable: false }
    }

    /// Of an instance that has left: it owns nothing, and needs no lease to forward calls.
    pub(crate) fn left(owners: Vec<Owner>, now: Instant) -> Self {
        Self { owners, lease: LocalLease::over(now), renewable: false }
    }

    pub(crate) fn owner(&self, lane: Lane) -> &Owner {
        self.owners.get(usize::from(lane.0)).unwrap_or(&Owner::Nobody)
    }

    /// The fence under which this instance may write a lane now.
    pub(crate) fn fence(&self, lane: Lane, now: Instant) -> Option<Fence> {
        match self.owner(lane) {
            Owner::Me(epoch) if !self.is_over(now) => Some(Fence { lane, epoch: *epoch }),
            _ => None,
        }
    }

    pub(crate) fn lease(&self) -> &LocalLease {
        &self.lease
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.lease.is_over(now)
    }

    /// An instance that was paused finds out here, before it acts on what it knew.
    pub(crate) fn must_be_refreshed(&self, now: Instant) -> bool {
        self.renewable && self.lease.is_over(now)
    }

    pub(crate) fn owned(&self) -> usize {
        self.owners.iter().filter(|owner| matches!(owner, Owner::Me(_))).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_paused_instance_knew_must_be_refreshed() {
        let (paused, lease) = (Instant::now(), Duration::from_secs(10));
        let owners = vec![Owner::Me(3), Owner::Nobody];
        let snapshot = OwnershipSnapshot::new(owners, LocalLease::granted(paused, lease));
        assert_eq!(snapshot.owned(), 1);
        let soon = paused + Duration::from_secs(3);
        assert!(!snapshot.must_be_refreshed(soon));
        assert_eq!(snapshot.fence(Lane(0), soon), Some(Fence { lane: Lane(0), epoch: 3 }));
        assert_eq!(snapshot.fence(Lane(1), soon), None);
        let woke = paused + Duration::from_secs(30);
        assert!(snapshot.is_over(woke) && snapshot.must_be_refreshed(woke));
        assert_eq!(snapshot.fence(Lane(0), woke), None, "the lease is over");

        // Where the store does not answer nobody waits for it.
        let unknown = OwnershipSnapshot::unknown(2, woke);
        assert!(unknown.is_over(woke) && !unknown.must_be_refreshed(woke));
        assert!(matches!(unknown.owner(Lane(0)), Owner::Nobody));
        assert!(matches!(snapshot.owner(Lane(9)), Owner::Nobody));
    }
}
