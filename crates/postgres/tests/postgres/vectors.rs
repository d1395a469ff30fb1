//! Vectors lie in pgvector's type where the server has it, and come back as they went in either way.

use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::conformance::memories;
use gamemesh_repository::{LogName, MemoryChange, MemoryTables};
use gamemesh_testkit::postgres::Postgres;
use sqlx::{Connection, PgConnection};

use crate::server::{Place, options};

const VECTOR: [f32; 4] = [1.0e-30, -0.1, 3.402_823e18, 0.0];

async fn open(url: &str) -> std::sync::Arc<PostgresStore> {
    let options = PostgresOptions { log: LogName::Memory, ..options() };
    PostgresStore::open(url, options).await.unwrap()
}

async fn type_of_column(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(
        "SELECT t.typname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = 'memory.memories'::regclass AND a.attname = 'vector'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
}

async fn put(store: &PostgresStore, id: u128) {
    let mut row = memories::memory(id);
    row.vector = Some(VECTOR.to_vec());
    let written = store.change_memories(vec![vec![MemoryChange::Insert(Box::new(row))]]);
    written.await.unwrap();
}

async fn check(store: &PostgresStore, count: usize) {
    let page = store.memory_page("npcs", "klaus", 0).await.unwrap();
    assert_eq!(page.rows.len(), count);
    let bits = |vector: &[f32]| vector.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    for row in page.rows {
        assert_eq!(bits(&row.vector.unwrap()), bits(&VECTOR));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrays_without_the_extension() {
    let url = Place::database().await.url;
    let store = open(&url).await;
    put(&store, 1).await;
    check(&store, 1).await;
    assert_eq!(type_of_column(&url).await, "_float4");
}

/// A store that was made without it takes it up with what is in it, and two instances do so at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_type_with_the_extension_also_in_a_store_that_was_there() {
    let server = tokio::task::spawn_blocking(|| Postgres::with_vectors().unwrap()).await.unwrap();
    let url = server.url();
    let store = open(url).await;
    assert_eq!(type_of_column(url).await, "vector");
    put(&store, 1).await;
    check(&store, 1).await;
    store.close().await;

    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(
        "ALTER TABLE memory.memories ALTER COLUMN vector TYPE real[] USING vector::real[]; \
         DROP EXTENSION vector; CREATE EXTENSION vector SCHEMA public",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(type_of_column(url).await, "_float4");
    let (store, other) = tokio::join!(open(url), open(url));
    assert_eq!(type_of_column(url).await, "vector");
    put(&other, 2).await;
    check(&store, 2).await;
    // It is of use to others who read SQL.
    let distance: f64 = sqlx::query_scalar(
        "SELECT vector OPERATOR(public.<->) '[0,0,0,0]' FROM memory.memories LIMIT 1",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(distance > 0.0);
}
