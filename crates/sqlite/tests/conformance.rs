//! The laws of the ports, on a store in a file.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::Repository;
use gamemesh_repository::conformance::Fixture;
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    store: Arc<SqliteStore>,
}

async fn open(folder: &TempDir) -> Arc<SqliteStore> {
    let url = format!("sqlite://{}/store.db", folder.path().display());
    SqliteStore::open(&url, SqliteOptions::default()).await.unwrap()
}

#[async_trait]
impl Fixture for Place {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        Self { folder, store }
    }

    fn store(&self) -> Arc<dyn Repository> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(&self.folder).await;
    }
}

gamemesh_repository::conformance_suite!(Place);
