//! [`Snapshots`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{LogError, Snapshot, Snapshots, StreamName, Version, snapshot_crc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::PostgresStore;
use crate::error::log_error;
use crate::pool::read;
use crate::read::{number, place};
use crate::replicas::read_anywhere;

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
        let row = read_anywhere!(self, self.replicas.any(), connection, {
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
        row.map_or(Ok(None), |row| sound(&row, stream, reducer))
    }

    async fn newest_snapshots(
        &self,
        streams: &[StreamName],
        reducer: u64,
    ) -> Vec<Result<Option<Snapshot>, LogError>> {
        if streams.is_empty() {
            return Vec::new();
        }
        let read = read_anywhere!(self, self.replicas.any(), connection, {
            newest(connection, streams, reducer).await
        });
        read.unwrap_or_else(|error| vec![Err(error); streams.len()])
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

/// What each stream has is its own answer; the outer error is everyone's.
async fn newest(
    connection: &mut PgConnection,
    streams: &[StreamName],
    reducer: u64,
) -> Result<Vec<Result<Option<Snapshot>, LogError>>, LogError> {
    let names: Vec<&[u8]> = streams.iter().map(|stream| stream.as_str().as_bytes()).collect();
    let rows = sqlx::query(
        "SELECT s.version, s.time_us, s.crc, s.state, asked.place \
         FROM unnest($1) WITH ORDINALITY AS asked (stream, place) \
         CROSS JOIN LATERAL ( \
           SELECT version, time_us, crc, state FROM snapshot \
           WHERE stream = asked.stream AND reducer = $2 ORDER BY version DESC LIMIT 1) s",
    )
    .bind(names)
    .bind(reducer as i64)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    let mut answers = vec![Ok(None); streams.len()];
    for row in rows {
        let place = place(&row, 4, streams.len())?;
        answers[place] = sound(&row, &streams[place], reducer);
    }
    Ok(answers)
}

/// The snapshot of a row, unless it is damaged.
fn sound(row: &PgRow, stream: &StreamName, reducer: u64) -> Result<Option<Snapshot>, LogError> {
    let (snapshot, crc) = decode(row, stream, reducer).map_err(log_error)?;
    if snapshot_crc(&snapshot) as i32 == crc {
        return Ok(Some(snapshot));
    }
    tracing::warn!(%stream, version = snapshot.version, "a snapshot is damaged; folding anew");
    Ok(None)
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
