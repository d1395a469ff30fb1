//! [`LaneLeases`]: leases are those of this process, epochs those of the file.

use std::time::Duration;

use async_trait::async_trait;
use gamemesh_repository::{
    Claimed, Epoch, Lane, LaneLeases, LeaseTable, LogError, Member, Membership,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::SqliteStore;
use crate::writer::AuxiliaryWrite;

#[async_trait]
impl LaneLeases for SqliteStore {
    async fn renew(&self, member: &Member, lease: Duration) -> Result<Membership, LogError> {
        self.writable()?;
        let (mut leases, now) = (self.leases.lock().await, Instant::now());
        leases.renew(member, lease, now);
        Ok(leases.membership(now))
    }

    async fn membership(&self) -> Result<Membership, LogError> {
        Ok(self.leases.lock().await.membership(Instant::now()))
    }

    async fn claim(&self, member: Uuid, lane: Lane) -> Result<Option<Epoch>, LogError> {
        self.writable()?;
        let mut leases = self.leases.lock().await;
        match leases.claim(member, lane, Instant::now()) {
            Claimed::Held(epoch) => Ok(Some(epoch)),
            Claimed::Raise(epoch) => {
                self.raise(&mut leases, lane, epoch, member).await?;
                Ok(Some(epoch))
            }
            Claimed::Refused => Ok(None),
        }
    }

    async fn hand_over(&self, from: Uuid, lane: Lane, to: Uuid) -> Result<bool, LogError> {
        self.writable()?;
        let mut leases = self.leases.lock().await;
        let Some(epoch) = leases.hand_over(from, lane, to, Instant::now()) else {
            return Ok(false);
        };
        self.raise(&mut leases, lane, epoch, to).await?;
        Ok(true)
    }

    async fn leave(&self, member: Uuid) -> Result<(), LogError> {
        self.writable()?;
        self.leases.lock().await.leave(member);
        Ok(())
    }
}

impl SqliteStore {
    /// Raises the lane's epoch, in the order of the appends: those that were queued before are decided
    /// by the last epoch, and are in the log before the next owner is told. Until that is known the
    /// lane is nobody's.
    async fn raise(
        &self,
        leases: &mut LeaseTable,
        lane: Lane,
        epoch: Epoch,
        to: Uuid,
    ) -> Result<(), LogError> {
        leases.give(lane, epoch, None);
        self.auxiliary(AuxiliaryWrite::RaiseOwnerEpoch(epoch)).await?;
        leases.give(lane, epoch, Some(to));
        Ok(())
    }
}
