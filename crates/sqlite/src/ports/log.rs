//! [`EventLog`].

use async_trait::async_trait;
use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, EventLog, Head, Incarnation, Lane, LogError,
    Pending, Position, StoreSecret, StreamName, VerifyReport, Version,
};
use tokio::sync::watch;

use super::writer_ended;
use crate::error::log_error;
use crate::read::{self, LANE, LANES};
use crate::{SqliteStore, verify};

#[async_trait]
impl EventLog for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn secret(&self) -> StoreSecret {
        self.secret
    }

    fn lanes(&self) -> u16 {
        LANES
    }

    /// The owner's lock keeps others out; a store that is only read may have an owner elsewhere.
    fn is_sole_writer(&self) -> bool {
        self.queue.is_some()
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        let results = self.append_each(vec![append]);
        Box::pin(async move {
            let result = results.await.pop();
            result.unwrap_or_else(|| Err(writer_ended().into()))
        })
    }

    fn append_each(&self, appends: Vec<Append>) -> Pending<Vec<Result<Appended, AppendError>>> {
        let refused: Vec<_> = appends.iter().map(|append| append.check(LANES).err()).collect();
        let sound = appends.into_iter().zip(&refused).filter(|(_, refused)| refused.is_none());
        let replied = self.push(sound.map(|(append, _)| append).collect());
        Box::pin(async move {
            let replied = match replied {
                Ok(replied) => replied.await.map_err(|_| writer_ended()),
                Err(error) => Err(error),
            };
            let (mut results, absent) = match replied {
                Ok(results) => (results.into_iter(), writer_ended()),
                Err(error) => (Vec::new().into_iter(), error),
            };
            let mut next = || results.next().unwrap_or_else(|| Err(absent.clone().into()));
            refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect()
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

    /// One after another on one connection: there is no server whose round trips could be saved.
    async fn read_streams(
        &self,
        asked: &[(StreamName, Version)],
        limit_each: usize,
    ) -> Vec<Result<Vec<Event>, LogError>> {
        let mut reader = match self.readers.get().await {
            Ok(reader) => reader,
            Err(error) => return vec![Err(error); asked.len()],
        };
        let mut answers = Vec::with_capacity(asked.len());
        for (stream, from) in asked {
            let forward = Direction::Forward;
            answers.push(read::stream(&mut reader, stream, *from, limit_each, forward).await);
        }
        answers
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
