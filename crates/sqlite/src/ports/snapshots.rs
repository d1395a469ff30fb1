//! [`Snapshots`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{LogError, Snapshot, Snapshots, StreamName, Version, snapshot_crc};
use sqlx::{Row, SqliteConnection};

use crate::SqliteStore;
use crate::error::log_error;
use crate::read::number;
use crate::writer::AuxiliaryWrite;

#[async_trait]
impl Snapshots for SqliteStore {
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::PutSnapshot(snapshot)).await
    }

    async fn snapshot_at(
        &self,
        stream: &StreamName,
        version: Version,
        reducer: u64,
    ) -> Result<Option<Snapshot>, LogError> {
        at(&mut *self.readers.get().await?, stream, version, reducer).await
    }

    /// One after another on one connection, as streams are read.
    async fn newest_snapshots(
        &self,
        streams: &[StreamName],
        reducer: u64,
    ) -> Vec<Result<Option<Snapshot>, LogError>> {
        let mut reader = match self.readers.get().await {
            Ok(reader) => reader,
            Err(error) => return vec![Err(error); streams.len()],
        };
        let mut answers = Vec::with_capacity(streams.len());
        for stream in streams {
            answers.push(at(&mut reader, stream, Version::MAX, reducer).await);
        }
        answers
    }

    async fn forget_snapshots(&self, stream: &StreamName) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::ForgetSnapshots(stream.clone())).await
    }
}

async fn at(
    connection: &mut SqliteConnection,
    stream: &StreamName,
    version: Version,
    reducer: u64,
) -> Result<Option<Snapshot>, LogError> {
    let row = sqlx::query(
        "SELECT version, time_us, crc, state FROM snapshot \
         WHERE stream = ?1 AND reducer = ?2 AND version <= ?3 ORDER BY version DESC LIMIT 1",
    )
    .bind(stream.as_str())
    .bind(reducer as i64)
    .bind(number(version))
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    let Some(row) = row else { return Ok(None) };
    let (snapshot, crc) = decode(&row, stream, reducer).map_err(log_error)?;
    if i64::from(snapshot_crc(&snapshot)) == crc {
        return Ok(Some(snapshot));
    }
    tracing::warn!(%stream, version = snapshot.version, "a snapshot is damaged; folding anew");
    Ok(None)
}

fn decode(
    row: &sqlx::sqlite::SqliteRow,
    stream: &StreamName,
    reducer: u64,
) -> sqlx::Result<(Snapshot, i64)> {
    let snapshot = Snapshot {
        stream: stream.clone(),
        version: row.try_get::<i64, _>(0)? as Version,
        reducer,
        time_us: row.try_get(1)?,
        state: Bytes::copy_from_slice(row.try_get(3)?),
    };
    Ok((snapshot, row.try_get(2)?))
}
