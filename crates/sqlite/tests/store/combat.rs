//! The laws of the combat tables, on a store in a file.

use std::sync::Arc;

use gamemesh_repository::LogName;
use gamemesh_repository::conformance::combat::{self, CombatStore};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::url;

async fn store() -> (TempDir, Arc<dyn CombatStore>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { log: LogName::Combat, ..SqliteOptions::default() };
    let store = SqliteStore::open(&url(folder.path()), options).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn rows_move_with_their_cursor() {
    let (_folder, store) = store().await;
    combat::combat_rows_move_with_their_cursor(store).await;
}

#[tokio::test]
async fn sessions_are_listed_by_what_is_asked_for() {
    let (_folder, store) = store().await;
    combat::combat_sessions_are_listed_by_what_is_asked_for(store).await;
}
