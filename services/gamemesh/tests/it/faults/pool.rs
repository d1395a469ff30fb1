//! Connections to the database run out.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamemesh_client::{Client, ClientOptions, RetryOptions};
use gamemesh_testkit::World;
use sqlx::{Connection as _, PgConnection};

use super::{PATIENCE, assert_counted, database, metric, run};
use crate::it::crash::versions;
use crate::it::ledger::{count_up, strong};

/// Callers who may wait; the next one is refused.
const WAITERS_MAX: usize = 100;
const CALLERS: usize = 150;

/// One connection for all reads, and it hangs: a hundred wait, the others are refused at once, and so
/// are those who have waited for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_pool_refuses_with_its_reason_and_recovers_by_itself() {
    let url = database().await;
    // Four lanes, one connection that watches them, and one for reading.
    let builder =
        World::builder().services("state").database_url(&url).env("POSTGRES_MAX_CONNS", "6");
    let mut world = builder.env("POSTGRES_MIN_CONNS", "1").build().unwrap();
    world.start().await.unwrap();
    let retry = RetryOptions::none();
    let options = ClientOptions { deadline: PATIENCE, retry, ..ClientOptions::default() };
    let client = world.client_with(options).await.unwrap();
    client.update_aggregate(count_up("w", "first")).await.unwrap();
    // The tables are written by then: nobody else needs the connection.
    versions(&client, "world").await;
    assert_eq!(pool(&world, "connections_max").await, 1.0);

    let mut holder = PgConnection::connect(&url).await.unwrap();
    run(&mut holder, "BEGIN; LOCK TABLE stream, event IN ACCESS EXCLUSIVE MODE").await;
    let mut calls: FuturesUnordered<_> = (0..CALLERS).map(|_| read(client.clone())).collect();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    // Those who found no place come back before anybody else.
    let refused = CALLERS - WAITERS_MAX - 1;
    for _ in 0..refused {
        *outcomes.entry(calls.next().await.unwrap()).or_default() += 1;
    }
    assert_eq!(outcomes, BTreeMap::from([("POOL_EXHAUSTED".to_owned(), refused)]));
    assert_eq!(pool(&world, "refused_total").await, refused as f64);

    // The others are refused one after the other when they have waited for too long.
    while pool(&world, "timed_out_total").await < 90.0 {
        match tokio::time::timeout(Duration::from_millis(100), calls.next()).await {
            Ok(Some(outcome)) => *outcomes.entry(outcome).or_default() += 1,
            Ok(None) => break,
            Err(_) => {}
        }
    }
    run(&mut holder, "ROLLBACK").await;
    while let Some(outcome) = calls.next().await {
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    // The one who had the connection, and who had it next, ran into the time-out of a lock or waited
    // long enough.
    let others =
        outcomes.remove("OK").unwrap_or(0) + outcomes.remove("DEPENDENCY_UNAVAILABLE").unwrap_or(0);
    assert_eq!(outcomes, BTreeMap::from([("POOL_EXHAUSTED".to_owned(), CALLERS - others)]));
    assert!(others <= 10, "{others}");

    assert_eq!(read(client.clone()).await, "OK");
    client.update_aggregate(count_up("w", "second")).await.unwrap();
    for gauge in ["waiters", "in_use"] {
        assert_eq!(pool(&world, gauge).await, 0.0);
    }
    assert!(pool(&world, "wait_seconds_total").await > 90.0 * 4.9);
    assert_counted(&world, &BTreeMap::from([("w".to_owned(), 2)])).await;
}

async fn pool(world: &World, figure: &str) -> f64 {
    metric(world, &format!("gamemesh_pool_{figure}{{pool=\"postgres\"}}")).await
}

/// Asks the database; answers the reason of a refusal, which says when to come back.
async fn read(client: Client) -> String {
    match client.get_aggregate(strong("world", "w")).await {
        Ok(_) => "OK".to_owned(),
        Err(error) => {
            assert!(error.is_transient(), "{error:?}");
            let says_when = error.retry_after.is_some();
            assert_eq!(says_when, error.reason == "POOL_EXHAUSTED", "{error:?}");
            error.reason
        }
    }
}
