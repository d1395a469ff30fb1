//! Reads that go together.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Envelope, L2, L2Error};
use gamemesh_redis::{RedisCache, RedisOptions};
use gamemesh_testkit::redis::Redis;
use tokio::task::JoinHandle;

use super::server::{blocking, envelope, is_unavailable, name, open, patient, store, until, works};

type Reading = JoinHandle<Result<Option<Envelope>, L2Error>>;

/// Reads that are on their way before others wait for them.
const ON_THE_WAY: u32 = 2;

/// Starts reads of these keys, one after the other, at a server that stands still.
async fn reading(cache: &Arc<RedisCache>, keys: impl Iterator<Item = String>) -> Vec<Reading> {
    let mut reading = Vec::new();
    for (n, key) in (1..).zip(keys) {
        let cache2 = cache.clone();
        reading.push(tokio::spawn(async move { cache2.get(&key).await }));
        until("it waits", async || {
            let pool = cache.pool_statistics();
            pool.in_use + pool.waiters == n
        })
        .await;
    }
    reading
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_wait_go_together_and_each_gets_its_own() {
    const READS: u64 = 90;
    let (server, store) = (blocking(|| Redis::start().unwrap()).await, store());
    let cache = Arc::new(open(server.url(), store, patient()));
    for n in 1..=READS {
        cache.put(&format!("k{n}"), envelope(n)).await.unwrap();
    }
    // One that is absent, one that is no string, one that is damaged: all among others.
    server.command(&["DEL", &name(store, "k50")]).unwrap();
    server.command(&["DEL", &name(store, "k51")]).unwrap();
    server.command(&["LPUSH", &name(store, "k51"), "a"]).unwrap();
    server.command(&["APPEND", &name(store, "k52"), "x"]).unwrap();
    let before = cache.statistics();
    server.pause(true).unwrap();
    let reading = reading(&cache, (1..=READS).map(|n| format!("k{n}"))).await;
    assert_eq!(cache.pool_statistics().in_use, ON_THE_WAY);
    server.pause(false).unwrap();
    for (n, reading) in (1..).zip(reading) {
        let there = (!(50..=52).contains(&n)).then(|| envelope(n));
        assert_eq!(reading.await.unwrap().unwrap(), there, "k{n}");
    }
    let after = cache.statistics();
    assert_eq!(after.hits_total - before.hits_total, READS - 3);
    assert_eq!((after.misses_total, after.damaged_total), (3, 2));
    let pool = cache.pool_statistics();
    assert_eq!((pool.in_use, pool.waiters), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_takes_nobody_along() {
    let server = blocking(|| Redis::start().unwrap()).await;
    let cache = Arc::new(open(server.url(), store(), patient()));
    cache.put("k", envelope(1)).await.unwrap();
    server.pause(true).unwrap();
    let reading = reading(&cache, (0..20).map(|_| "k".to_owned())).await;
    // Those on their way, and half of those that wait for them.
    let (gone, stay): (Vec<_>, Vec<_>) =
        (0_u32..).zip(reading).partition(|(n, _)| *n < ON_THE_WAY || n % 2 == 0);
    for (_, reading) in gone {
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
    }
    server.pause(false).unwrap();
    for (_, reading) in stay {
        assert_eq!(reading.await.unwrap().unwrap(), Some(envelope(1)));
    }
    until("nobody is left", async || {
        let pool = cache.pool_statistics();
        (pool.in_use, pool.waiters) == (0, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_behind_many_that_have_gone_away_is_served() {
    // More than each that is on its way takes along when it is back.
    const GONE: usize = 2 * 64;
    let server = blocking(|| Redis::start().unwrap()).await;
    let options = RedisOptions { waiters_max: GONE as u32 + 1, ..patient() };
    let cache = Arc::new(open(server.url(), store(), options));
    cache.put("k", envelope(1)).await.unwrap();
    server.pause(true).unwrap();
    let on_the_way = ON_THE_WAY as usize;
    let keys = (0..on_the_way + GONE + 1).map(|_| "k".to_owned());
    let mut reading = reading(&cache, keys).await;
    let last = reading.pop().unwrap();
    for gone in reading.split_off(on_the_way) {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    server.pause(false).unwrap();
    assert_eq!(last.await.unwrap().unwrap(), Some(envelope(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_are_refused_and_a_silence_ends_for_all_in_their_time() {
    const WAITERS: u32 = 10;
    let server = blocking(|| Redis::start().unwrap()).await;
    let timeout = Duration::from_secs(2);
    let options = RedisOptions { waiters_max: WAITERS, timeout, ..RedisOptions::default() };
    let cache = Arc::new(open(server.url(), store(), options));
    until("it works", async || works(&cache, "k", 1).await).await;
    server.pause(true).unwrap();
    let keys = (0..ON_THE_WAY + WAITERS).map(|_| "k".to_owned());
    let reading = reading(&cache, keys).await;
    assert_eq!(cache.get("k").await.unwrap_err(), L2Error::PoolExhausted);
    assert_eq!(cache.pool_statistics().refused_total, 1);
    let began = tokio::time::Instant::now();
    for reading in reading {
        assert!(is_unavailable(&reading.await.unwrap()));
    }
    // A wait in the line and one for the answer would be twice as long.
    assert!(began.elapsed() < timeout * 2, "{:?}", began.elapsed());
    server.pause(false).unwrap();
    until("it works again", async || works(&cache, "k", 2).await).await;
}
