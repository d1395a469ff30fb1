//! More callers than connections.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{L2, L2Error};
use gamemesh_redis::RedisOptions;
use gamemesh_testkit::redis::Redis;

use super::server::{blocking, envelope, open, patient, server, store, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_is_bounded_and_its_end_is_told_at_once() {
    const WAITERS: u32 = 100;
    const TOO_MANY: u32 = 20;
    let server = blocking(|| Redis::start().unwrap()).await;
    let options = RedisOptions { connections_max: 2, ..patient() };
    assert_eq!(options.waiters_max, WAITERS);
    let cache = Arc::new(open(server.url(), store(), options));
    cache.put("k", envelope(1)).await.unwrap();
    server.pause(true).unwrap();
    let mut served = Vec::new();
    for n in 1..=2 + WAITERS {
        let cache2 = cache.clone();
        served.push(tokio::spawn(async move { cache2.put("k", envelope(1)).await }));
        until("he stands in the line", async || {
            let pool = cache.pool_statistics();
            pool.in_use + pool.waiters == n
        })
        .await;
    }
    for _ in 0..TOO_MANY {
        assert_eq!(cache.put("k", envelope(1)).await.unwrap_err(), L2Error::PoolExhausted);
    }
    let pool = cache.pool_statistics();
    assert_eq!((pool.in_use, pool.waiters, pool.refused_total), (2, WAITERS, u64::from(TOO_MANY)));
    server.pause(false).unwrap();
    for served in served {
        served.await.unwrap().unwrap();
    }
    let pool = cache.pool_statistics();
    assert_eq!((pool.in_use, pool.waiters), (0, 0));
    assert!(pool.waited_total >= u64::from(WAITERS) && pool.wait_us_total > 0);
    assert!(pool.breaker_is_closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_connection_longer_than_for_an_answer() {
    let server = blocking(|| Redis::start().unwrap()).await;
    let timeout = Duration::from_secs(2);
    let options = RedisOptions { connections_max: 1, timeout, ..RedisOptions::default() };
    let cache = Arc::new(open(server.url(), store(), options));
    until("it works", async || cache.ping().await.is_ok()).await;
    server.pause(true).unwrap();
    let held = tokio::spawn({
        let cache = cache.clone();
        async move { cache.put("k", envelope(1)).await }
    });
    until("the connection is taken", async || cache.pool_statistics().in_use == 1).await;
    // The other has its connection for twice as long.
    let other = cache.put("k", envelope(1)).await;
    assert_eq!(other.unwrap_err(), L2Error::PoolExhausted);
    assert_eq!(cache.pool_statistics().timed_out_total, 1);
    assert!(matches!(held.await.unwrap(), Err(L2Error::Unavailable(_))));
    server.pause(false).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_made_as_needed_and_kept() {
    let server = server().await;
    let cache = Arc::new(open(server.url(), store(), patient()));
    for n in 0..50 {
        cache.put(&format!("k{n}"), envelope(1)).await.unwrap();
    }
    assert_eq!(cache.pool_statistics().idle, 1);
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(cache.get(&format!("k{n}")).await.unwrap(), Some(envelope(1)));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let pool = cache.pool_statistics();
    assert!((1..=20).contains(&pool.idle), "{pool:?}");
    assert_eq!((pool.in_use, cache.statistics().hits_total), (0, 1_000));
}
