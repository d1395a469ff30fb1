//! The laws of the memory tables, on a store in a file.

use std::sync::Arc;

use gamemesh_repository::LogName;
use gamemesh_repository::conformance::memories::MemoryStores;
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::url;

async fn tables() -> (Arc<dyn MemoryStores>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { log: LogName::Memory, ..SqliteOptions::default() };
    (SqliteStore::open(&url(folder.path()), options).await.unwrap(), folder)
}

gamemesh_repository::memory_tables_suite!(tables);
