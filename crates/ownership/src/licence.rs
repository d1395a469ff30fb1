//! Fenced ownership: only the owner of a lane writes it.
//!
//! The local lease ends before the store's does, and the log compares the fence of every append with the
//! lane's epoch. So a licence is lost here before anybody else can get one, and an instance that was
//! paused meanwhile is refused by the log.

use std::sync::Arc;

use gamemesh_repository::{Fence, Lane};
use gamemesh_rpc::peer::Peer;
use tokio::time::Instant;

use crate::snapshot::Owner;
use crate::{LaneGuard, Ownership};

/// Who may write a lane now.
pub enum LaneOwnership {
    /// This instance.
    Here(Licence),
    /// That instance, which may be away for the moment.
    There(Arc<Peer>),
    /// Nobody: the lane is free, or this instance has no lease and does not know.
    Nobody,
}

/// The right of this instance to write a lane, for as long as its lease lasts and the lane is not handed
/// over. Dropping it tells the lease manager, which waits for a short time before it hands the lane over.
pub struct Licence {
    ownership: Arc<Ownership>,
    fence: Fence,
    _guard: LaneGuard,
}

impl Ownership {
    /// Who may write a lane now.
    pub fn owner(self: &Arc<Self>, lane: Lane) -> LaneOwnership {
        let guard = self.enter(lane);
        let (snapshot, now) = (self.snapshot(), Instant::now());
        if snapshot.is_over(now) {
            self.found_over.notify_one();
            return LaneOwnership::Nobody;
        }
        match snapshot.owner(lane) {
            Owner::Me(epoch) => LaneOwnership::Here(Licence {
                ownership: self.clone(),
                fence: Fence { lane, epoch: *epoch },
                _guard: guard,
            }),
            Owner::Peer(peer) => LaneOwnership::There(peer.clone()),
            Owner::Nobody => LaneOwnership::Nobody,
        }
    }

    /// Waits until this instance owns a lane.
    pub async fn acquired(self: &Arc<Self>, lane: Lane) -> Licence {
        let mut snapshots = self.subscribe();
        loop {
            snapshots.mark_unchanged();
            if let LaneOwnership::Here(licence) = self.owner(lane) {
                return licence;
            }
            // The sender lives as long as `self`.
            let _ = snapshots.changed().await;
        }
    }
}

impl Licence {
    pub fn lane(&self) -> Lane {
        self.fence.lane
    }

    /// The fence that it was given under, whether or not it is lost by now. The log compares it with every
    /// append, so whoever has lost the licence may still offer what is unwritten: it is taken as long as
    /// nobody else has the lane, and refused from then on.
    pub fn granted(&self) -> Fence {
        self.fence
    }

    /// The fence to append under; `None` once the licence is lost. An append that was sent before may still
    /// be refused, or committed.
    pub fn fence(&self) -> Option<Fence> {
        let held = self.ownership.snapshot().fence(self.fence.lane, Instant::now());
        held.filter(|held| *held == self.fence)
    }

    /// Returns when the licence is lost: the lane belongs to another instance, or the lease is over.
    pub async fn lost(&self) {
        let mut snapshots = self.ownership.subscribe();
        while self.fence().is_some() {
            let left = snapshots.borrow_and_update().lease().left(Instant::now());
            let _ = tokio::time::timeout(left, snapshots.changed()).await;
        }
    }
}
