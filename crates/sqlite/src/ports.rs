//! The three ports: writes go to the queue, reads to a reading connection.

mod log;
mod projections;
mod snapshots;

use gamemesh_repository::{Append, LogError};
use tokio::sync::oneshot;

pub(crate) use snapshots::snapshot_crc;

use crate::SqliteStore;
use crate::writer::{Appendeds, Command, Side};

impl SqliteStore {
    /// Queues appends, which have been checked.
    fn push(&self, appends: Vec<Append>) -> Result<oneshot::Receiver<Appendeds>, LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::ReadOnly)?;
        let (reply, replied) = oneshot::channel();
        match appends.is_empty() {
            true => drop(reply.send(Vec::new())),
            false => queue.push(Command::Appends { appends, reply })?,
        }
        Ok(replied)
    }

    /// Queues a write beside the log and waits for its commit.
    pub(crate) async fn side(&self, side: Side) -> Result<(), LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::ReadOnly)?;
        let (reply, replied) = oneshot::channel();
        queue.push(Command::Side { side: Box::new(side), reply })?;
        replied.await.unwrap_or_else(|_| Err(writer_ended()))
    }
}

impl SqliteStore {
    /// Writes the file anew, so that nothing remains of what was deleted.
    pub(crate) async fn vacuum(&self) -> Result<(), LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::ReadOnly)?;
        let (reply, replied) = oneshot::channel();
        queue.push(Command::Vacuum { reply })?;
        replied.await.unwrap_or_else(|_| Err(writer_ended()))
    }
}

/// The writer went away with the command: what it did with it is not known here.
fn writer_ended() -> LogError {
    LogError::Unresolved("the writer ended".to_owned())
}
