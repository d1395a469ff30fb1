//! The laws of the stats tables, on a store in a file.

use std::sync::Arc;

use gamemesh_repository::conformance::stats;
use gamemesh_repository::{LogName, StatsTables};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::url;

async fn tables() -> (TempDir, Arc<dyn StatsTables>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { log: LogName::Stats, ..SqliteOptions::default() };
    let store = SqliteStore::open(&url(folder.path()), options).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn rows_move_with_their_progress() {
    let (_folder, tables) = tables().await;
    stats::stats_rows_move_with_their_progress(tables).await;
}

#[tokio::test]
async fn closed_windows_are_kept_once() {
    let (_folder, tables) = tables().await;
    stats::closed_windows_are_kept_once(tables).await;
}
