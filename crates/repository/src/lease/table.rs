//! Leases of a store that one process has, by its monotonic clock.
//!
//! Nothing of it but the epochs need outlive the process: members of another process cannot be there
//! while this one has the store. The store keeps the epochs, and gives them when it is opened again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Epoch, LaneOwner, Member, Membership};
use crate::Lane;

/// Who is there, and who owns what.
#[derive(Debug)]
pub struct LeaseTable {
    members: BTreeMap<Uuid, Lease>,
    lanes: Vec<LaneOwner>,
}

#[derive(Debug)]
struct Lease {
    address: String,
    until: Instant,
}

/// What a claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The lane was the member's already, in this epoch.
    Held(Epoch),
    /// The member gets it once this epoch is durable: [`LeaseTable::give`].
    Raise(Epoch),
    /// Another member has it, or this is no member, or there is no such lane.
    Refused,
}

impl LeaseTable {
    /// Without members, with the epochs that the lanes have had.
    pub fn new(epochs: impl IntoIterator<Item = Epoch>) -> Self {
        let free = |epoch| LaneOwner { owner: None, epoch };
        Self { members: BTreeMap::new(), lanes: epochs.into_iter().map(free).collect() }
    }

    pub fn renew(&mut self, member: &Member, lease: Duration, now: Instant) {
        if !self.is_member(member.id, now) {
            self.leave(member.id);
        }
        let lease = Lease { address: member.address.clone(), until: now + lease };
        self.members.insert(member.id, lease);
    }

    pub fn membership(&self, now: Instant) -> Membership {
        let present = self.members.iter().filter(|(_, lease)| lease.until > now);
        let members =
            present.map(|(id, lease)| Member { id: *id, address: lease.address.clone() }).collect();
        let lanes = self.lanes.iter().map(|lane| LaneOwner {
            owner: lane.owner.filter(|owner| self.is_member(*owner, now)),
            ..*lane
        });
        Membership { members, lanes: lanes.collect() }
    }

    /// What a member's claim comes to. Nothing has changed yet.
    pub fn claim(&self, member: Uuid, lane: Lane, now: Instant) -> Claimed {
        let present = self.lanes.get(usize::from(lane.0));
        let Some(present) = present.filter(|_| self.is_member(member, now)) else {
            return Claimed::Refused;
        };
        match present.owner {
            Some(owner) if owner == member => Claimed::Held(present.epoch),
            Some(owner) if self.is_member(owner, now) => Claimed::Refused,
            _ => Claimed::Raise(present.epoch + 1),
        }
    }

    /// The epoch of a lane that may be handed over, once it is durable: [`Self::give`]. `None`: it may
    /// not.
    pub fn hand_over(&self, from: Uuid, lane: Lane, to: Uuid, now: Instant) -> Option<Epoch> {
        let present = self.lanes.get(usize::from(lane.0))?;
        let gives = present.owner == Some(from) && from != to && self.is_member(to, now);
        gives.then_some(present.epoch + 1)
    }

    /// The lane has this epoch from now on, or may have it; `to` is its owner, where that is known.
    pub fn give(&mut self, lane: Lane, epoch: Epoch, to: Option<Uuid>) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane.0)) {
            *lane = LaneOwner { owner: to, epoch: epoch.max(lane.epoch) };
        }
    }

    pub fn leave(&mut self, member: Uuid) {
        self.members.remove(&member);
        for lane in &mut self.lanes {
            lane.owner = lane.owner.filter(|owner| *owner != member);
        }
    }

    /// The epoch of a lane; `None`: there is no such lane.
    pub fn epoch(&self, lane: Lane) -> Option<Epoch> {
        self.lanes.get(usize::from(lane.0)).map(|lane| lane.epoch)
    }

    fn is_member(&self, id: Uuid, now: Instant) -> bool {
        self.members.get(&id).is_some_and(|lease| lease.until > now)
    }
}
