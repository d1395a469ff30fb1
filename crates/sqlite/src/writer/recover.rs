//! After a failure: is the batch on the disk, and where does the lane end?

use gamemesh_repository::LogError;
use gamemesh_repository::batch::Planned;
use sqlx::{Connection, SqliteConnection};

use super::Writer;
use super::lane_head;
use super::transaction::{self, Failure};
use crate::connect;
use crate::error::log_error;

impl Writer {
    /// The connection, opened again if it was given up. It is taken out while a batch is at work and
    /// comes back only if it is sound.
    pub(super) async fn take_connection(&mut self) -> Result<SqliteConnection, LogError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let options = connect::writer(&self.path, self.file_bytes_max);
        let mut connection = connect::connect(&options).await.map_err(log_error)?;
        self.head = lane_head::load(&mut connection).await?;
        Ok(connection)
    }

    /// Finds out what became of a failed transaction. `Ok`: it is durable after all.
    pub(super) async fn recover(
        &mut self,
        mut connection: SqliteConnection,
        failure: Failure,
        planned: &Planned,
    ) -> Result<(), LogError> {
        let Failure { error, in_doubt } = failure;
        if !in_doubt && transaction::run(&mut connection, "ROLLBACK").await.is_ok() {
            self.head = lane_head::load(&mut connection).await?;
            self.connection = Some(connection);
            return Err(error);
        }
        // What this connection believes about the file may be wrong: a new one reads it afresh.
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "closing the failed connection");
        }
        if !in_doubt {
            return Err(error);
        }
        let unresolved = |cause: LogError| LogError::Unresolved(format!("{error}; {cause}"));
        let mut connection = self.take_connection().await.map_err(unresolved)?;
        if planned.is_empty() {
            // Only auxiliary writes: they carry no mark by which they could be found.
            self.connection = Some(connection);
            return Err(LogError::Unresolved(error.to_string()));
        }
        let written = self.head.last_position >= planned.lanes[0].last_position
            && is_written(&mut connection, planned).await.map_err(unresolved)?;
        if !written {
            self.connection = Some(connection);
            return Err(error);
        }
        make_durable(&mut connection).await.map_err(unresolved)?;
        self.connection = Some(connection);
        Ok(())
    }
}

async fn is_written(
    connection: &mut SqliteConnection,
    planned: &Planned,
) -> Result<bool, LogError> {
    let found: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM batch WHERE first_position = ?1")
            .bind(planned.lanes[0].durable as i64 + 1)
            .fetch_optional(connection)
            .await
            .map_err(log_error)?;
    Ok(found.as_deref() == Some(&planned.batch.as_bytes()[..]))
}

/// A commit whose sync failed may be visible and yet not on the disk. A full checkpoint syncs the
/// write-ahead log and copies it into the database, or fails.
async fn make_durable(connection: &mut SqliteConnection) -> Result<(), LogError> {
    let (busy, in_log, copied): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(FULL)")
        .fetch_one(connection)
        .await
        .map_err(log_error)?;
    if busy != 0 || copied < in_log {
        return Err(LogError::Unavailable("the checkpoint could not be completed".to_owned()));
    }
    Ok(())
}
