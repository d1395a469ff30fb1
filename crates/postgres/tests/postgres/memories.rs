//! The laws of the memory tables, with the vectors as arrays.

use std::sync::Arc;

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::LogName;
use gamemesh_repository::conformance::memories::MemoryStores;

use crate::server::{Place, options};

async fn tables() -> (Arc<dyn MemoryStores>, ()) {
    let url = Place::database().await.url;
    let options = PostgresOptions { log: LogName::Memory, ..options() };
    (PostgresStore::open(&url, options).await.unwrap(), ())
}

gamemesh_repository::memory_tables_suite!(tables);
