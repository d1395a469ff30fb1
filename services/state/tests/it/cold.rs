//! Aggregates that no cache has, asked for by many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::{AggregateRow, DocumentTables, ListPage, LogError, StreamName};
use gamemesh_state::StateConfig;
use gamemesh_testkit::postgres::Postgres;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::calls::{get, merge, update};
use super::world::{Client, World};

const AGGREGATES: usize = 300;

/// Calls at once: fewer than what makes the server refuse.
const CALLS: usize = 60;

/// How long a read of rows takes: others shall come meanwhile.
const HELD: Duration = Duration::from_millis(200);

/// Tables that are slow to tell rows, and count how often they are asked, for one or for many.
struct Counted {
    tables: Arc<dyn DocumentTables>,
    reads: Arc<AtomicU64>,
}

impl Counted {
    async fn read(&self) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(HELD).await;
    }
}

#[async_trait]
impl DocumentTables for Counted {
    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError> {
        self.read().await;
        self.tables.aggregate(aggregate_type, id).await
    }

    async fn aggregates(
        &self,
        streams: &[StreamName],
    ) -> Vec<Result<Option<AggregateRow>, LogError>> {
        self.read().await;
        self.tables.aggregates(streams).await
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, LogError> {
        self.tables.list(aggregate_type, after, limit).await
    }
}

/// A version whose content tells it.
async fn write(client: &Client, number: usize, version: i64) -> pb::Aggregate {
    let patch = json!({ "number": number, "version": version });
    let request = merge("economy", &number.to_string(), &patch);
    let request = pb::UpdateAggregateRequest { create_missing: true, ..request };
    let written = update(client, request).await.unwrap().aggregate.unwrap();
    assert_eq!(written.version, version);
    written
}

/// The outcome of each, in order, of so many calls at once.
async fn of_each<T, F: Future<Output = T>>(call: impl Fn(usize) -> F) -> Vec<T> {
    stream::iter(0..AGGREGATES).map(call).buffered(CALLS).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_loaded_in_few_reads_each_as_it_was() {
    are_loaded_in_few_reads(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_loaded_from_postgres_in_few_reads() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    are_loaded_in_few_reads(World::on(postgres.url(), StateConfig::default()).await).await;
}

/// Every second aggregate loses its row.
async fn spoil(url: &str) {
    let spoil = "DELETE FROM aggregate_states WHERE aggregate_type = 'economy' AND (id LIKE '%0' \
                 OR id LIKE '%2' OR id LIKE '%4' OR id LIKE '%6' OR id LIKE '%8')";
    if url.starts_with("postgres:") {
        let mut store = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(spoil).execute(&mut store).await.unwrap();
    } else {
        let mut store = SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql(spoil).execute(&mut store).await.unwrap();
    }
}

async fn are_loaded_in_few_reads(mut world: World) {
    let client = &world.client().await;
    // Some are longer than what is read of each that goes with others.
    let versions =
        |number: usize| if number.is_multiple_of(50) { 150 } else { 1 + number as i64 % 3 };
    let written = of_each(async |number| {
        let mut newest = None;
        for version in 1..=versions(number) {
            newest = Some(write(client, number, version).await);
        }
        newest.unwrap()
    })
    .await;
    world.stop().await;
    // Without its row, an aggregate is folded from all of its events.
    spoil(&world.url()).await;
    let reads = Arc::new(AtomicU64::new(0));
    world.start_behind(|tables| Arc::new(Counted { tables, reads: reads.clone() })).await;
    let client = &world.client().await;
    let before = reads.load(Ordering::SeqCst);
    let read = of_each(async |number| get(client, "economy", &number.to_string()).await).await;
    let reads = reads.load(Ordering::SeqCst) - before;
    for (read, written) in read.into_iter().zip(written) {
        assert_eq!(read.unwrap().aggregate.unwrap(), written);
    }
    assert!(reads <= AGGREGATES as u64 / 2, "{reads} reads of {AGGREGATES} rows");
    // Writes are decided on what was loaded.
    of_each(async |number| write(client, number, versions(number) + 1).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_call_asks_for_is_loaded_in_few_reads() {
    let mut world = World::new().await;
    let client = &world.client().await;
    let written = of_each(async |number| write(client, number, 1).await).await;
    world.stop().await;
    let reads = Arc::new(AtomicU64::new(0));
    world.start_behind(|tables| Arc::new(Counted { tables, reads: reads.clone() })).await;
    let client = world.client().await;
    let key =
        |number: usize| pb::AggregateKey { r#type: "economy".to_owned(), id: number.to_string() };
    let keys = (0..AGGREGATES).map(key).collect();
    let before = reads.load(Ordering::SeqCst);
    let request = pb::BatchGetAggregatesRequest { keys, ..Default::default() };
    let answer = client.clone().batch_get_aggregates(request).await.unwrap().into_inner();
    let reads = reads.load(Ordering::SeqCst) - before;
    for (read, written) in answer.results.into_iter().zip(written) {
        assert_eq!(read.result, Some(pb::batch_get_result::Result::Aggregate(written)));
    }
    assert!(reads <= AGGREGATES as u64 / 2, "{reads} reads of {AGGREGATES} rows");
}
