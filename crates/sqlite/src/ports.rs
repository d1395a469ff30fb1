//! The ports, but for those that read tables: writes go to the queue, reads to a reading connection.

mod cursors;
mod leases;
mod log;
mod snapshots;

use gamemesh_repository::{Append, LogError};
use tokio::sync::oneshot;

use crate::SqliteStore;
use crate::writer::{Appendeds, AuxiliaryWrite, Command};

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

    fn writable(&self) -> Result<(), LogError> {
        if self.is_read_only() { Err(LogError::ReadOnly) } else { Ok(()) }
    }

    /// Queues a write beside the log and waits for its commit.
    pub(crate) async fn auxiliary(&self, write: AuxiliaryWrite) -> Result<(), LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::ReadOnly)?;
        let (reply, replied) = oneshot::channel();
        queue.push(Command::Auxiliary { write: Box::new(write), reply })?;
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
