//! The reference keeps its own laws.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_repository::LaneLeases;
use gamemesh_repository::conformance::leases::LeasesFixture;
use gamemesh_repository::conformance::{Fixture, Store};
use gamemesh_repository::memory::MemoryStore;

struct OneLane(Arc<MemoryStore>);

#[async_trait]
impl Fixture for OneLane {
    async fn fresh() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    /// Nothing outlives the process, so there is nothing to open again.
    async fn reopen(&mut self) {}
}

gamemesh_repository::conformance_suite!(OneLane);

#[async_trait]
impl LeasesFixture for OneLane {
    async fn fresh() -> Self {
        Self(MemoryStore::new())
    }

    fn leases(&self) -> Arc<dyn LaneLeases> {
        self.0.clone()
    }
}

gamemesh_repository::leases_suite!(OneLane);

mod memory_tables {
    use std::sync::Arc;

    use gamemesh_repository::conformance::memories::MemoryStores;
    use gamemesh_repository::memory::MemoryStore;

    #[expect(clippy::unused_async, reason = "other stores are waited for")]
    async fn tables() -> (Arc<dyn MemoryStores>, ()) {
        (MemoryStore::new(), ())
    }

    gamemesh_repository::memory_tables_suite!(tables);
}

/// The same laws over three lanes, so that the suite itself is ready for adapters that have them.
mod lanes {
    use super::{Arc, Fixture, MemoryStore, Store, async_trait};

    struct ThreeLanes(Arc<MemoryStore>);

    #[async_trait]
    impl Fixture for ThreeLanes {
        async fn fresh() -> Self {
            Self(MemoryStore::with_lanes(3))
        }

        fn store(&self) -> Arc<dyn Store> {
            self.0.clone()
        }

        async fn reopen(&mut self) {}
    }

    gamemesh_repository::conformance_suite!(ThreeLanes);
}

#[tokio::test]
async fn stats_rows_move_with_their_progress() {
    let tables = MemoryStore::new();
    gamemesh_repository::conformance::stats::stats_rows_move_with_their_progress(tables).await;
}

#[tokio::test]
async fn closed_windows_are_kept_once() {
    gamemesh_repository::conformance::stats::closed_windows_are_kept_once(MemoryStore::new()).await;
}

#[tokio::test]
async fn combat_rows_move_with_their_cursor() {
    let store = MemoryStore::new();
    gamemesh_repository::conformance::combat::combat_rows_move_with_their_cursor(store).await;
}

#[tokio::test]
async fn combat_sessions_are_listed_by_what_is_asked_for() {
    let store = MemoryStore::new();
    gamemesh_repository::conformance::combat::combat_sessions_are_listed_by_what_is_asked_for(
        store,
    )
    .await;
}
