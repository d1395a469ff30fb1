//! The laws of the ports, on a store in a file.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::Repository;
use gamemesh_repository::conformance::Fixture;
use gamemesh_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::open;

struct Place {
    folder: TempDir,
    store: Arc<SqliteStore>,
}

#[async_trait]
impl Fixture for Place {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        Self { folder, store }
    }

    fn store(&self) -> Arc<dyn Repository> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(self.folder.path()).await;
    }
}

gamemesh_repository::conformance_suite!(Place);
