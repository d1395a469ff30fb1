//! [`Snapshots`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{LogError, Snapshot, Snapshots, StreamName, Version};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::log_error;
use crate::pool::read;
use crate::read::number;

#[async_trait]
impl Snapshots for PostgresStore {
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.writable()?;
        read!(self.pool, connection, {
            sqlx::query(
                "INSERT INTO snapshot (reducer, version, time_us, crc, stream, state) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (stream, reducer, version) \
                     DO UPDATE SET time_us = excluded.time_us, crc = excluded.crc, \
                     state = excluded.state",
            )
            .bind(snapshot.reducer as i64)
            .bind(snapshot.version as i64)
            .bind(snapshot.time_us)
            .bind(snapshot_crc(&snapshot) as i32)
            .bind(snapshot.stream.as_str().as_bytes())
            .bind(&snapshot.state[..])
            .execute(connection)
            .await
            .map(drop)
            .map_err(log_error)
        })
    }

    async fn snapshot_at(
        &self,
        stream: &StreamName,
        version: Version,
        reducer: u64,
    ) -> Result<Option<Snapshot>, LogError> {
        let row = read!(self.pool, connection, {
            sqlx::query(
                "SELECT version, time_us, crc, state FROM snapshot \
                     WHERE stream = $1 AND reducer = $2 AND version <= $3 \
                     ORDER BY version DESC LIMIT 1",
            )
            .bind(stream.as_str().as_bytes())
            .bind(reducer as i64)
            .bind(number(version))
            .fetch_optional(connection)
            .await
            .map_err(log_error)
        })?;
        let Some(row) = row else { return Ok(None) };
        let (snapshot, crc) = decode(&row, stream, reducer).map_err(log_error)?;
        if snapshot_crc(&snapshot) as i32 == crc {
            return Ok(Some(snapshot));
        }
        tracing::warn!(%stream, version = snapshot.version, "a snapshot is damaged; folding anew");
        Ok(None)
    }

    async fn forget_snapshots(&self, stream: &StreamName) -> Result<(), LogError> {
        self.writable()?;
        read!(self.pool, connection, {
            sqlx::query("DELETE FROM snapshot WHERE stream = $1")
                .bind(stream.as_str().as_bytes())
                .execute(connection)
                .await
                .map(drop)
                .map_err(log_error)
        })
    }
}

/// Over everything that tells one snapshot from another, and its state.
fn snapshot_crc(snapshot: &Snapshot) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in [snapshot.version, snapshot.reducer, snapshot.time_us as u64] {
        hasher.update(&number.to_be_bytes());
    }
    hasher.update(&(snapshot.stream.as_str().len() as u64).to_be_bytes());
    hasher.update(snapshot.stream.as_str().as_bytes());
    hasher.update(&snapshot.state);
    hasher.finalize()
}

fn decode(row: &PgRow, stream: &StreamName, reducer: u64) -> sqlx::Result<(Snapshot, i32)> {
    let snapshot = Snapshot {
        stream: stream.clone(),
        version: row.try_get::<i64, _>(0)? as Version,
        reducer,
        time_us: row.try_get(1)?,
        state: Bytes::copy_from_slice(row.try_get(3)?),
    };
    Ok((snapshot, row.try_get(2)?))
}
