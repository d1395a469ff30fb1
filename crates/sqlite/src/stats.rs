//! Figures of a store, for operators.

use gamemesh_repository::{LogError, Position};

use crate::SqliteStore;
use crate::error::log_error;
use crate::lock::beside;

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Also the last position, since positions are dense.
    pub events: Position,
    pub streams: u64,
    pub batches: u64,
    pub snapshots: u64,
    /// Idempotency keys that are remembered.
    pub keys: u64,
    /// Size of the database file.
    pub file_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub wal_bytes: u64,
    /// The last link of the chain: who knows it can tell whether the log was altered before it.
    pub chain: [u8; 32],
}

impl SqliteStore {
    pub async fn stats(&self) -> Result<Stats, LogError> {
        let (events, streams, batches, snapshots, keys, chain): (i64, i64, i64, i64, i64, Vec<u8>) =
            sqlx::query_as(
                "SELECT (SELECT coalesce(max(position), 0) FROM event), \
                 (SELECT count(*) FROM stream), (SELECT count(*) FROM batch), \
                 (SELECT count(*) FROM snapshot), (SELECT count(*) FROM idempotency), \
                 coalesce((SELECT chain FROM batch ORDER BY first_position DESC LIMIT 1), \
                          zeroblob(32))",
            )
            .fetch_one(&mut *self.readers.get().await?)
            .await
            .map_err(log_error)?;
        let bytes = |path| std::fs::metadata(path).map_or(0, |file| file.len());
        Ok(Stats {
            events: events as Position,
            streams: streams as u64,
            batches: batches as u64,
            snapshots: snapshots as u64,
            keys: keys as u64,
            file_bytes: bytes(self.path.clone()),
            wal_bytes: bytes(beside(&self.path, "-wal")),
            chain: chain
                .try_into()
                .map_err(|_| LogError::Corrupted("the last link of the chain".to_owned()))?,
        })
    }
}
