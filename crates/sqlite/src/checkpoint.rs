//! Copying the write-ahead log into the database, so that it does not grow without end.
//!
//! Most is copied in the background, beside the commits. What came in the meantime is copied by the
//! writer between two batches: then everything is copied, and the next commit starts the log anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gamemesh_repository::fault_point;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::watch;

use crate::connect;

/// Pages in the write-ahead log from which a checkpoint is due: 16 MiB.
const DUE_PAGES: i64 = 8_192;

/// Pages from which the writer waits for readers that hold the log: 256 MiB.
const OVERDUE_PAGES: i64 = 131_072;

const LOOK_MS: u64 = 200;

/// Each try waits for readers as long as a statement waits for a lock.
const TRUNCATE_TRIES_MAX: usize = 3;

/// Looks at the write-ahead log after writes, until the writer ends.
pub(crate) async fn run(
    options: sqlx::sqlite::SqliteConnectOptions,
    mut batches: watch::Receiver<u64>,
    due: Arc<AtomicBool>,
) {
    let mut connection: Option<SqliteConnection> = None;
    while batches.changed().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        if connection.is_none() {
            connection = connect::connect(&options).await.ok();
        }
        let Some(looking) = &mut connection else { continue };
        match in_background(looking).await {
            Ok(true) => due.store(true, Ordering::Relaxed),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "a checkpoint in the background failed");
                connection = None;
            }
        }
    }
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "closing the checkpointer");
    }
}

/// Copies what it can; whether the writer should copy the rest.
async fn in_background(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let (_, in_log, copied) = pragma(connection, "PRAGMA wal_checkpoint(NOOP)").await?;
    if in_log - copied < DUE_PAGES && in_log < OVERDUE_PAGES {
        return Ok(false);
    }
    pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    fault_point("sqlite.mid_checkpoint");
    Ok(true)
}

/// The writer's part. A reader that holds the log is waited for only when it is overdue.
pub(crate) async fn between_writes(connection: &mut SqliteConnection) {
    let result = match pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)").await {
        Ok((_, in_log, _)) if in_log >= OVERDUE_PAGES => {
            pragma(connection, "PRAGMA wal_checkpoint(RESTART)").await
        }
        other => other,
    };
    match result {
        Ok((_, in_log, copied)) if in_log >= OVERDUE_PAGES && copied < in_log => {
            tracing::warn!(
                pages = in_log,
                "a long read keeps the write-ahead log from starting anew"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "a checkpoint failed"),
    }
}

/// Writes the file anew from what is in it, and empties the write-ahead log: neither free pages nor the
/// room between rows keep what was deleted.
pub(crate) async fn vacuum(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    // What is copied need not fit into memory.
    sqlx::raw_sql("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY")
        .execute(&mut *connection)
        .await?;
    for _ in 0..TRUNCATE_TRIES_MAX {
        let (kept, ..) = pragma(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
        if kept == 0 {
            return Ok(());
        }
    }
    Err(sqlx::Error::Io(std::io::Error::other("a long read keeps the write-ahead log")))
}

/// Whether it was kept from finishing, pages in the log, pages copied.
async fn pragma(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> sqlx::Result<(i64, i64, i64)> {
    sqlx::query_as(sql).fetch_one(connection).await
}
