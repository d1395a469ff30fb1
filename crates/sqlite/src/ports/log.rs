//! [`EventLog`].

use async_trait::async_trait;
use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, EventLog, Head, Incarnation, Lane, LogError,
    Pending, Position, StreamName, VerifyReport, Version,
};
use tokio::sync::{oneshot, watch};

use super::writer_ended;
use crate::error::log_error;
use crate::read::{self, LANE};
use crate::writer::Command;
use crate::{SqliteStore, verify};

#[async_trait]
impl EventLog for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn lanes(&self) -> u16 {
        1
    }

    /// The owner's lock keeps others out; a store that is only read may have an owner elsewhere.
    fn is_sole_writer(&self) -> bool {
        self.queue.is_some()
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        let (reply, replied) = oneshot::channel();
        let pushed = append.check().and_then(|()| {
            let queue = self.queue.as_ref().ok_or(LogError::ReadOnly)?;
            Ok(queue.push(Command::Append { append, reply })?)
        });
        Box::pin(async move {
            pushed?;
            replied.await.unwrap_or_else(|_| Err(writer_ended().into()))
        })
    }

    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError> {
        read::idempotent(&mut *self.readers.get().await?, key).await
    }

    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError> {
        read::stream(&mut *self.readers.get().await?, stream, from, limit, direction).await
    }

    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError> {
        if lane != LANE {
            return Ok(Vec::new());
        }
        read::lane(&mut *self.readers.get().await?, after, limit).await
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        read::head(&mut *self.readers.get().await?, stream).await
    }

    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError> {
        read::version_at(&mut *self.readers.get().await?, stream, time_us).await
    }

    fn tail(&self, _lane: Lane) -> watch::Receiver<Position> {
        self.tail.clone()
    }

    async fn verify(&self) -> Result<VerifyReport, LogError> {
        verify::verify(&self.readers).await
    }

    async fn ping(&self) -> Result<(), LogError> {
        sqlx::query("SELECT one FROM store")
            .fetch_one(&mut *self.readers.get().await?)
            .await
            .map(drop)
            .map_err(log_error)
    }
}
