//! Connections and their settings.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

/// How long a statement waits for a lock that another connection holds.
const BUSY_MS_MAX: u64 = 5_000;

/// Page cache of the writing connection.
const WRITER_CACHE_KIB: u32 = 64 << 10;

/// Page cache of each reading connection.
const READER_CACHE_KIB: u32 = 8 << 10;

/// Rows that a connection's thread prepares ahead of the task that reads them.
const ROWS_AHEAD: usize = 512;

/// Size of the write-ahead log that is kept when it starts anew.
const WAL_KEPT_BYTES_MAX: u32 = 64 << 20;

/// Half of SQLite's default. An append to a stream writes the leaf of the index that the stream lies
/// on, a page of its own for each of many streams: at 64 appends a batch over 10,000 streams 2.6 KB
/// of write-ahead log an event instead of 4.2, for the same processor time. A store keeps the page
/// size that it was made with.
const PAGE_BYTES: u32 = 2_048;

/// The connection that writes: durable at each commit, and never checkpointing inside one, which the
/// checkpointer does between them.
pub(crate) fn writer(path: &Path, file_bytes_max: Option<u64>) -> SqliteConnectOptions {
    let options = plain(path)
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("wal_autocheckpoint", "0")
        .pragma("journal_size_limit", WAL_KEPT_BYTES_MAX.to_string())
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"));
    match file_bytes_max {
        Some(bytes) => {
            options.pragma("max_page_count", bytes.div_ceil(u64::from(PAGE_BYTES)).to_string())
        }
        None => options,
    }
}

/// A connection that only reads. `immutable` is for media on which nothing can be created, not even
/// the index of the write-ahead log.
pub(crate) fn reader(path: &Path, immutable: bool) -> SqliteConnectOptions {
    plain(path)
        .read_only(true)
        .immutable(immutable)
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

pub(crate) async fn connect(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    options.connect().await
}
