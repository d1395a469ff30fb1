//! The laws of the ports.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_postgres::PostgresStore;
use gamemesh_repository::LaneLeases;
use gamemesh_repository::conformance::leases::LeasesFixture;
use gamemesh_repository::conformance::{Fixture, Store};

use crate::server;

struct Place {
    place: server::Place,
    store: Arc<PostgresStore>,
}

#[async_trait]
impl Fixture for Place {
    async fn fresh() -> Self {
        let place = server::Place::fresh().await;
        let store = place.open().await;
        Self { place, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = self.place.open().await;
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
