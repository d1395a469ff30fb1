//! Which of many connections serves whom.

use futures::future::join_all;
use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::EventLog as _;
use gamemesh_testkit::postgres::Postgres;
use sqlx::{Connection as _, PgConnection};

use crate::load::name;

/// Calls at once, for which connections are made.
const CALLS: usize = 32;

/// Backends that have read a head since a time: a server of its own has none of other tests.
const READERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE query_start > $1::text::timestamptz \
     AND query LIKE 'SELECT version, position, time_us FROM event%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_next_gets_the_connection_that_was_used_last() {
    let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let store = PostgresStore::open(server.url(), PostgresOptions::default()).await.unwrap();
    let absent = name("absent");
    join_all((0..CALLS).map(|_| store.head(&absent))).await;
    let idle = store.pool_statistics().idle;
    assert!(idle > 2, "{idle} connections were made");

    let mut observer = PgConnection::connect(server.url()).await.unwrap();
    let now = "SELECT clock_timestamp()::text";
    let began: String = sqlx::query_scalar(now).fetch_one(&mut observer).await.unwrap();
    for _ in 0..CALLS {
        store.head(&absent).await.unwrap();
    }
    let readers = sqlx::query_scalar(READERS).bind(began).fetch_one(&mut observer).await;
    let readers: i64 = readers.unwrap();
    // One, unless this process slept for longer than a connection may rest.
    assert!((1..=2).contains(&readers), "{readers} connections took turns");
    assert!(store.pool_statistics().idle > 2, "what rests is idle");
    // It ends, although connections rest.
    store.close().await;
}
