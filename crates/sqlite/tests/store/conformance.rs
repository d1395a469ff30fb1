//! The laws of the ports, on a store in a file.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::LaneLeases;
use gamemesh_repository::conformance::leases::LeasesFixture;
use gamemesh_repository::conformance::{Fixture, Store};
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

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = open(self.folder.path()).await;
    }
}

gamemesh_repository::conformance_suite!(Place);

#[async_trait]
impl LeasesFixture for Place {
    async fn fresh() -> Self {
        Fixture::fresh().await
    }

    fn leases(&self) -> Arc<dyn LaneLeases> {
        self.store.clone()
    }
}

gamemesh_repository::leases_suite!(Place);
