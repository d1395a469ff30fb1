//! The laws of the combat tables.

use std::sync::Arc;

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::LogName;
use gamemesh_repository::conformance::combat::{self, CombatStore};

use crate::server::Place;

async fn store() -> Arc<dyn CombatStore> {
    let place = Place::database().await;
    PostgresStore::open(&place.url, PostgresOptions::of(LogName::Combat)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_move_with_their_cursor() {
    combat::combat_rows_move_with_their_cursor(store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_by_what_is_asked_for() {
    combat::combat_sessions_are_listed_by_what_is_asked_for(store().await).await;
}
