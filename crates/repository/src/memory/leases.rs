//! Leases over plain collections, by the process's monotonic clock.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::MemoryStore;
use crate::{Epoch, Lane, LaneLeases, LaneOwner, LogError, Member, Roster};

pub(super) struct Leases {
    members: BTreeMap<Uuid, Lease>,
    lanes: Vec<LaneOwner>,
}

struct Lease {
    address: String,
    until: Instant,
}

impl Leases {
    pub(super) fn new(lanes: u16) -> Self {
        let free = LaneOwner { owner: None, epoch: 1 };
        Self { members: BTreeMap::new(), lanes: vec![free; usize::from(lanes)] }
    }

    fn renew(&mut self, member: &Member, lease: Duration, now: Instant) {
        if !self.is_member(member.id, now) {
            self.leave(member.id);
        }
        let lease = Lease { address: member.address.clone(), until: now + lease };
        self.members.insert(member.id, lease);
    }

    fn roster(&self, now: Instant) -> Roster {
        let present = self.members.iter().filter(|(_, lease)| lease.until > now);
        let members =
            present.map(|(id, lease)| Member { id: *id, address: lease.address.clone() }).collect();
        let lanes = self.lanes.iter().map(|lane| LaneOwner {
            owner: lane.owner.filter(|owner| self.is_member(*owner, now)),
            ..*lane
        });
        Roster { members, lanes: lanes.collect() }
    }

    fn claim(&mut self, member: Uuid, lane: Lane, now: Instant) -> Option<Epoch> {
        let is_member = self.is_member(member, now);
        let present = self.lanes.get(usize::from(lane.0)).filter(|_| is_member)?;
        match present.owner {
            Some(owner) if owner == member => return Some(present.epoch),
            Some(owner) if self.is_member(owner, now) => return None,
            _ => {}
        }
        Some(self.give(lane, member))
    }

    fn hand_over(&mut self, from: Uuid, lane: Lane, to: Uuid, now: Instant) -> bool {
        let owner = self.lanes.get(usize::from(lane.0)).and_then(|lane| lane.owner);
        let gives = owner == Some(from) && from != to && self.is_member(to, now);
        if gives {
            self.give(lane, to);
        }
        gives
    }

    fn give(&mut self, lane: Lane, to: Uuid) -> Epoch {
        let lane = &mut self.lanes[usize::from(lane.0)];
        *lane = LaneOwner { owner: Some(to), epoch: lane.epoch + 1 };
        lane.epoch
    }

    fn leave(&mut self, member: Uuid) {
        self.members.remove(&member);
        for lane in &mut self.lanes {
            lane.owner = lane.owner.filter(|owner| *owner != member);
        }
    }

    fn is_member(&self, id: Uuid, now: Instant) -> bool {
        self.members.get(&id).is_some_and(|lease| lease.until > now)
    }
}

#[async_trait]
impl LaneLeases for MemoryStore {
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Roster, LogError> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        state.leases.renew(member, lease, now);
        Ok(state.leases.roster(now))
    }

    async fn roster(&self) -> Result<Roster, LogError> {
        Ok(self.state.lock().leases.roster(Instant::now()))
    }

    async fn claim(&self, member: Uuid, lane: Lane) -> Result<Option<Epoch>, LogError> {
        Ok(self.state.lock().leases.claim(member, lane, Instant::now()))
    }

    async fn hand_over(&self, from: Uuid, lane: Lane, to: Uuid) -> Result<bool, LogError> {
        Ok(self.state.lock().leases.hand_over(from, lane, to, Instant::now()))
    }

    async fn leave(&self, member: Uuid) -> Result<(), LogError> {
        self.state.lock().leases.leave(member);
        Ok(())
    }
}
