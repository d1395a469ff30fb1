//! The laws of the stats tables.

use std::sync::Arc;

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::conformance::stats;
use gamemesh_repository::{LogName, StatsTables};

use crate::server::Place;

async fn tables() -> Arc<dyn StatsTables> {
    let place = Place::database().await;
    PostgresStore::open(&place.url, PostgresOptions::of(LogName::Stats)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_move_with_their_progress() {
    stats::stats_rows_move_with_their_progress(tables().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_windows_are_kept_once() {
    stats::closed_windows_are_kept_once(tables().await).await;
}
