//! A server that goes away while it is used.

use std::time::Duration;

use gamemesh_cache::{Announcement, BroadcastEvent, Fill, L2, L2Error};
use gamemesh_redis::{RedisCache, RedisOptions};
use gamemesh_testkit::redis::Redis;

use super::server::{
    LONGEST, blocking, envelope, hear, is_unavailable, listening, name, open, patient, store,
    until, works,
};

/// Operations that time out end soon after their time; a busy machine may let them wait.
const BOUND: Duration = Duration::from_secs(10);

async fn own_server() -> Redis {
    blocking(|| Redis::start().unwrap()).await
}

/// Every kind of operation, each within its bound.
async fn all_are_refused(cache: &RedisCache) {
    let refused = tokio::time::timeout(BOUND, async {
        let announcement = Announcement { lane: 0, after: 0, to: 1, payload: bytes::Bytes::new() };
        is_unavailable(&cache.get("k").await)
            && is_unavailable(&cache.put("k", envelope(2)).await)
            && is_unavailable(&cache.claim("k").await)
            && is_unavailable(&cache.announce(announcement).await)
            && is_unavailable(&cache.ping().await)
    });
    assert!(refused.await.unwrap());
}

/// Refused by the breaker, which asks nobody.
async fn refused_at_once(cache: &RedisCache) -> bool {
    matches!(cache.get("k").await, Err(L2Error::Unavailable(why)) if why.contains("lately"))
}

async fn goes_and_comes(cache: &RedisCache, version: u64) {
    all_are_refused(cache).await;
    until("the breaker opens", async || refused_at_once(cache).await).await;
    assert!(!cache.pool_statistics().breaker_is_closed);
    assert_eq!(cache.pool_statistics().idle, 0);
    assert!(cache.statistics().failures_total > 0);
    assert!(!works(cache, "k", version).await);
}

async fn is_back(cache: &RedisCache, version: u64) {
    until("it works again", async || works(cache, "k", version).await).await;
    assert!(cache.pool_statistics().breaker_is_closed);
    assert_eq!(cache.pool_statistics().in_use, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_is_missed_and_taken_back() {
    let server = own_server().await;
    let cache = open(server.url(), store(), RedisOptions::default());
    until("it works", async || works(&cache, "k", 1).await).await;
    listening(&cache).await;
    let mut listener = cache.subscribe();
    server.kill().unwrap();
    goes_and_comes(&cache, 2).await;
    server.start_again().unwrap();
    is_back(&cache, 3).await;
    // What it held is gone, the script too.
    assert_eq!(cache.get("other").await.unwrap(), None);
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    listening(&cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_missed_and_taken_back() {
    let server = own_server().await;
    let cache = open(server.url(), store(), RedisOptions::default());
    until("it works", async || works(&cache, "k", 1).await).await;
    server.pause(true).unwrap();
    goes_and_comes(&cache, 2).await;
    server.pause(false).unwrap();
    is_back(&cache, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_never_there_is_taken_when_it_comes() {
    let server = own_server().await;
    server.kill().unwrap();
    let cache = open(server.url(), store(), RedisOptions::default());
    all_are_refused(&cache).await;
    server.start_again().unwrap();
    is_back(&cache, 1).await;
    listening(&cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ended_unnoticed_cost_nothing() {
    let server = own_server().await;
    let cache = open(server.url(), store(), patient());
    cache.put("k", envelope(1)).await.unwrap();
    for _ in 0..10 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(envelope(1)));
    }
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    cache.put("k", envelope(2)).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(envelope(2)));
    assert_eq!(cache.statistics().failures_total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_and_an_old_copy_only_make_it_forget() {
    let server = own_server().await;
    let (one, store) = (server.url(), store());
    let (one, other) = (open(one, store, patient()), open(one, store, patient()));
    for cache in [&one, &other] {
        cache.put("k", envelope(1)).await.unwrap();
    }
    server.save().unwrap();
    one.put("k", envelope(5)).await.unwrap();
    assert_eq!(one.claim("k").await.unwrap(), Fill::Yours);
    server.flush().unwrap();
    assert_eq!(other.get("k").await.unwrap(), None);
    assert_eq!(other.claim("k").await.unwrap(), Fill::Yours);
    other.put("k", envelope(2)).await.unwrap();
    assert_eq!(one.get("k").await.unwrap(), Some(envelope(2)));
    // It is an old copy of itself: whole, so that its version has to tell.
    server.kill().unwrap();
    server.start_again().unwrap();
    until("the old one is there", async || {
        other.get("k").await.is_ok_and(|got| got == Some(envelope(1)))
    })
    .await;
    one.put("k", envelope(2)).await.unwrap();
    assert_eq!(other.get("k").await.unwrap(), Some(envelope(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_refuses_values_and_serves_on() {
    let server = own_server().await;
    let store = store();
    let cache = open(server.url(), store, patient());
    cache.put("k", envelope(1)).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    for _ in 0..20 {
        assert!(is_unavailable(&cache.put("k", envelope(2)).await));
        assert_eq!(cache.get("k").await.unwrap(), Some(envelope(1)));
    }
    assert!(cache.pool_statistics().breaker_is_closed);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert!(works(&cache, "k", 2).await);
    assert_eq!(server.command(&["EXISTS", &name(store, "k")]).unwrap().trim(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_goes_without() {
    let server = own_server().await;
    server.command(&["CONFIG", "SET", "requirepass", "secret"]).unwrap();
    let with = |credentials: &str| server.url().replace("redis://", credentials);
    for wrong in ["redis://", "redis://:wrong@"] {
        let cache = open(&with(wrong), store(), RedisOptions::default());
        all_are_refused(&cache).await;
        let said = cache.ping().await.unwrap_err().to_string();
        assert!(!said.contains("wrong@"), "{said}");
    }
    let cache = open(&with("redis://:secret@"), store(), RedisOptions::default());
    let work = until("the right password works", async || works(&cache, "k", 1).await);
    tokio::time::timeout(LONGEST, work).await.unwrap();
}
