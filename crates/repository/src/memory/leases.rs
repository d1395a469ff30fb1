//! [`LaneLeases`].

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::MemoryStore;
use crate::{Claimed, Epoch, Lane, LaneLeases, LogError, Member, Membership};

#[async_trait]
impl LaneLeases for MemoryStore {
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Membership, LogError> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        state.leases.renew(member, lease, now);
        Ok(state.leases.membership(now))
    }

    async fn membership(&self) -> Result<Membership, LogError> {
        Ok(self.state.lock().leases.membership(Instant::now()))
    }

    async fn claim(&self, member: Uuid, lane: Lane) -> Result<Option<Epoch>, LogError> {
        let leases = &mut self.state.lock().leases;
        Ok(match leases.claim(member, lane, Instant::now()) {
            Claimed::Held(epoch) => Some(epoch),
            Claimed::Raise(epoch) => {
                leases.give(lane, epoch, Some(member));
                Some(epoch)
            }
            Claimed::Refused => None,
        })
    }

    async fn hand_over(&self, from: Uuid, lane: Lane, to: Uuid) -> Result<bool, LogError> {
        let leases = &mut self.state.lock().leases;
        let epoch = leases.hand_over(from, lane, to, Instant::now());
        if let Some(epoch) = epoch {
            leases.give(lane, epoch, Some(to));
        }
        Ok(epoch.is_some())
    }

    async fn leave(&self, member: Uuid) -> Result<(), LogError> {
        self.state.lock().leases.leave(member);
        Ok(())
    }
}
