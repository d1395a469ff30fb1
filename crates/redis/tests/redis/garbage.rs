//! What lies under our names and is not ours.

use std::time::Duration;

use bytes::Bytes;
use gamemesh_cache::{Envelope, L2, Lifetimes};
use gamemesh_redis::RedisOptions;

use super::server::{envelope, name, open, patient, server, store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_a_miss_and_gives_way() {
    let (server, store) = (server().await, store());
    let cache = open(server.url(), store, patient());
    let newest = Envelope { version: u64::MAX, as_of: u64::MAX, ..envelope(1) };
    // Each does something to the newest value there can be, which lies under the name.
    let harm: [&[&str]; 9] = [
        &["SET", "NAME", ""],
        &["SET", "NAME", "gmv\u{1}"],
        &["SET", "NAME", "a text that is longer than the head of a value"],
        &["APPEND", "NAME", "x"],
        &["SETRANGE", "NAME", "35", "y"],
        // Another format, and another name.
        &["SETRANGE", "NAME", "3", "\u{2}"],
        &["RENAME", "OTHER", "NAME"],
        &["EVAL", "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'a')", "1", "NAME"],
        &["EVAL", "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'a', 'b')", "1", "NAME"],
    ];
    for (n, harm) in harm.into_iter().enumerate() {
        let (key, other) = (format!("k{n}"), format!("o{n}"));
        for key in [&key, &other] {
            cache.put(key, newest.clone()).await.unwrap();
        }
        assert_eq!(cache.get(&key).await.unwrap(), Some(newest.clone()));
        let names = |word: &str| match word {
            "NAME" => name(store, &key),
            "OTHER" => name(store, &other),
            word => word.to_owned(),
        };
        let harm: Vec<String> = harm.iter().map(|word| names(word)).collect();
        let harm: Vec<&str> = harm.iter().map(String::as_str).collect();
        server.command(&harm).unwrap();
        let before = cache.statistics();
        assert_eq!(cache.get(&key).await.unwrap(), None, "{harm:?}");
        let after = cache.statistics();
        assert_eq!(after.damaged_total, before.damaged_total + 1, "{harm:?}");
        assert_eq!(after.misses_total, before.misses_total + 1, "{harm:?}");
        cache.put(&key, envelope(1)).await.unwrap();
        assert_eq!(cache.get(&key).await.unwrap(), Some(envelope(1)), "{harm:?}");
    }
    assert!(cache.pool_statistics().breaker_is_closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_gives_way_to_a_put_too() {
    let (server, store) = (server().await, store());
    let cache = open(server.url(), store, patient());
    let name = name(store, "k");
    for harm in [["SET", &name, "gmv"].as_slice(), &["LPUSH", &name, "a"]] {
        server.command(&["DEL", &name]).unwrap();
        server.command(harm).unwrap();
        cache.put("k", envelope(3)).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(envelope(3)), "{harm:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_sees_nothing() {
    let server = server().await;
    let (one, other) =
        (open(server.url(), store(), patient()), open(server.url(), store(), patient()));
    one.put("k", envelope(9)).await.unwrap();
    assert_eq!(other.get("k").await.unwrap(), None);
    other.put("k", envelope(1)).await.unwrap();
    assert_eq!(one.get("k").await.unwrap(), Some(envelope(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lifetimes_are_scattered_and_never_longer() {
    let (server, store) = (server().await, store());
    let value = Duration::from_secs(1_000);
    let lifetimes = Lifetimes { value, ..Lifetimes::default() };
    let cache = open(server.url(), store, RedisOptions { lifetimes, ..patient() });
    let mut left = Vec::new();
    for n in 0..30 {
        let key = format!("k{n}");
        cache.put(&key, envelope(1)).await.unwrap();
        let answer = server.command(&["PTTL", &name(store, &key)]).unwrap();
        left.push(answer.trim().parse::<u128>().unwrap());
    }
    let (least, most) = (left.iter().min().unwrap(), left.iter().max().unwrap());
    // A busy machine may need a while from the put to the question.
    assert!(*least > 700_000 && *most <= value.as_millis(), "{left:?}");
    assert!(most - least > 20_000, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_not_kept() {
    let (server, store) = (server().await, store());
    let cache = open(server.url(), store, RedisOptions { value_bytes_max: 1_000, ..patient() });
    let sized = |version, size| Envelope { value: vec![1; size].into(), ..envelope(version) };
    cache.put("k", sized(1, 1_000)).await.unwrap();
    cache.put("k", sized(2, 1_001)).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(sized(1, 1_000)));
    assert_eq!(cache.statistics().puts_too_large_total, 1);
    assert_eq!(cache.statistics().puts_total, 1);
    cache.put("k", Envelope { value: Bytes::new(), ..envelope(1) }).await.unwrap();
    assert_eq!(cache.statistics().puts_refused_total, 1);
}
