//! Copies of records: whole, for a time, and never older than what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use gamemesh_cache::{Copies, Copy};

use super::server::{cluster, open, patient, server, store};

fn copy(name: &str, version: u64) -> Copy {
    let fields = vec![("type", "chest".to_owned()), ("data", format!("{{\"v\":{version}}}"))];
    Copy { name: name.to_owned(), version, fields }
}

/// Field and value from what `redis-cli` prints, a line each.
fn hash(printed: &str) -> BTreeMap<String, String> {
    let lines: Vec<&str> = printed.lines().collect();
    lines.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

fn expected(version: u64) -> BTreeMap<String, String> {
    let fields = [
        ("version", version.to_string()),
        ("type", "chest".to_owned()),
        ("data", format!("{{\"v\":{version}}}")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_stays_in_whatever_order_they_come() {
    let server = server().await;
    let caches: Vec<_> = (0..3).map(|_| Arc::new(open(server.url(), store(), patient()))).collect();
    // Beyond what Lua's numbers tell apart, and over a change of length.
    for from in [1, 95, 9_007_199_254_740_990, u64::MAX - 40] {
        let name = format!("entity:order {from}");
        let mut puts = Vec::new();
        for n in 0..40_u64 {
            let version = from + (n * 17) % 40;
            let (cache, name) = (caches[n as usize % 3].clone(), name.clone());
            puts.push(tokio::spawn(async move {
                cache.put_copies(vec![copy(&name, version)]).await.unwrap();
            }));
        }
        for put in puts {
            put.await.unwrap();
        }
        let there = hash(&server.command(&["HGETALL", &name]).unwrap());
        assert_eq!(there, expected(from + 39));
        let left: i64 = server.command(&["PTTL", &name]).unwrap().trim().parse().unwrap();
        assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    }
}

/// A copy takes the place of the whole, also of what is none: no field of an older one is left, and none
/// is there without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole() {
    let server = server().await;
    let cache = open(server.url(), store(), patient());
    let name = "entity:whole";
    server.command(&["HSET", name, "version", "3", "left", "over"]).unwrap();
    cache.put_copies(vec![copy(name, 4)]).await.unwrap();
    assert_eq!(hash(&server.command(&["HGETALL", name]).unwrap()), expected(4));
    for foreign in [&["SET", name, "text"][..], &["HSET", name, "version", "?"]] {
        server.command(&["DEL", name]).unwrap();
        server.command(foreign).unwrap();
        cache.put_copies(vec![copy(name, 1)]).await.unwrap();
        assert_eq!(hash(&server.command(&["HGETALL", name]).unwrap()), expected(1));
        assert_ne!(server.command(&["PTTL", name]).unwrap().trim(), "-1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_on_all_nodes_of_a_cluster() {
    let cluster = cluster().await;
    let cache = open(cluster.url(), store(), patient());
    let names: Vec<String> = (0..60).map(|n| format!("entity:spread {n}")).collect();
    cache.put_copies(names.iter().map(|name| copy(name, 7)).collect()).await.unwrap();
    for name in &names {
        let there = cluster.command(1, &["-c", "HGETALL", name]).unwrap();
        assert_eq!(hash(&there), expected(7), "{name}");
    }
}
