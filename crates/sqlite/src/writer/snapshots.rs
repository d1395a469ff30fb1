//! Writing snapshots.

use gamemesh_repository::{LogError, Snapshot, StreamName, fault_point, snapshot_crc};
use sqlx::SqliteConnection;

use crate::error::log_error;

pub(super) async fn put(
    connection: &mut SqliteConnection,
    snapshot: &Snapshot,
) -> Result<(), LogError> {
    sqlx::query(
        "INSERT INTO snapshot (stream, reducer, version, time_us, crc, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (stream, reducer, version) \
         DO UPDATE SET time_us = excluded.time_us, crc = excluded.crc, state = excluded.state",
    )
    .bind(snapshot.stream.as_str())
    .bind(snapshot.reducer as i64)
    .bind(snapshot.version as i64)
    .bind(snapshot.time_us)
    .bind(i64::from(snapshot_crc(snapshot)))
    .bind(&snapshot.state[..])
    .execute(connection)
    .await
    .map_err(log_error)?;
    fault_point("sqlite.mid_snapshot");
    Ok(())
}

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    stream: &StreamName,
) -> Result<(), LogError> {
    sqlx::query("DELETE FROM snapshot WHERE stream = ?1")
        .bind(stream.as_str())
        .execute(connection)
        .await
        .map(drop)
        .map_err(log_error)
}
