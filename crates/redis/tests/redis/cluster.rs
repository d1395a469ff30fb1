//! A cluster that loses nodes.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Announcement, BroadcastEvent, L2};
use gamemesh_redis::{RedisCache, RedisOptions};
use gamemesh_testkit::redis::RedisCluster;

use super::server::{
    blocking, cluster, hear, is_unavailable, listening, open, store, until, works,
};

const KEYS: u64 = 60;

fn key(n: u64) -> String {
    format!("player/{n}")
}

/// Whether keys of all slots can be put and read.
async fn all_work(cache: &RedisCache, version: u64) -> bool {
    for n in 0..KEYS {
        if !works(cache, &key(n), version).await {
            return false;
        }
    }
    true
}

/// The node that subscribers of this channel are connected to.
fn subscribed(cluster: &RedisCluster) -> usize {
    let listens = |node: &usize| {
        cluster.command(*node, &["PUBSUB", "CHANNELS"]).is_ok_and(|list| list.contains(":news"))
    };
    cluster.nodes().find(listens).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_on_all_primaries() {
    let cluster = cluster().await;
    let cache = open(cluster.url(), store(), super::server::patient());
    assert!(all_work(&cache, 1).await);
    for node in cluster.nodes().filter(|node| cluster.is_primary(*node)) {
        let size = cluster.command(node, &["DBSIZE"]).unwrap();
        assert!(size.trim().parse::<u64>().unwrap() >= 5, "node {node}: {size}");
    }
    // One seed is enough, if it says that it is one.
    let seed = cluster.url().split(',').next().unwrap();
    let cache = open(&format!("{seed}?cluster"), store(), super::server::patient());
    assert!(all_work(&cache, 1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_taken_for_a_server_says_what_is_wrong() {
    let cluster = cluster().await;
    let seed = cluster.url().split(',').next().unwrap();
    let cache = open(seed, store(), RedisOptions::default());
    until("it tells of a node that has a key", async || {
        for n in 0..KEYS {
            if let Err(error) = cache.get(&key(n)).await
                && error.to_string().to_lowercase().contains("moved")
            {
                assert!(error.to_string().contains("REDIS_ADDR"), "{error}");
                return true;
            }
        }
        false
    })
    .await;
}

/// More of them than it has patience for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_keep_silent_do_not_hide_the_others() {
    let cluster = cluster().await;
    let silent: Vec<_> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut urls: Vec<_> =
        silent.iter().map(|node| format!("redis://{}", node.local_addr().unwrap())).collect();
    urls.extend(cluster.url().split(',').next().map(str::to_owned));
    let cache = open(&urls.join(","), store(), super::server::patient());
    listening(&cache).await;
    until("all slots work", async || all_work(&cache, 1).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_lost_are_replaced() {
    let cluster = blocking(|| RedisCluster::start().unwrap()).await;
    let store = store();
    let caller = || open(cluster.url(), store, RedisOptions::default());
    let (cache, other) = (caller(), caller());
    until("all slots work", async || all_work(&cache, 1).await).await;
    listening(&other).await;
    let mut listener = other.subscribe();

    // The one that also carries the announcements.
    let lost = subscribed(&cluster);
    cluster.kill(lost).unwrap();
    let mut missed = 0;
    for n in 0..KEYS {
        let got = tokio::time::timeout(Duration::from_secs(10), cache.get(&key(n))).await.unwrap();
        missed += usize::from(is_unavailable(&got));
    }
    assert!(missed > 0, "its keys cannot be had");
    until("a replica takes over", async || all_work(&cache, 2).await).await;
    assert_eq!(hear(&mut listener).await, BroadcastEvent::Interrupted);
    let announcement = Announcement { lane: 0, after: 0, to: 1, payload: bytes::Bytes::new() };
    until("announcements are taken", async || cache.announce(announcement.clone()).await.is_ok())
        .await;
    let expected = BroadcastEvent::Announced(Arc::new(announcement));
    until("it is heard", async || hear(&mut listener).await == expected).await;
    cluster.start_again(lost).unwrap();

    // One that stands still is replaced too, and comes back as a replica.
    let still = cluster.nodes().find(|node| cluster.is_primary(*node)).unwrap();
    cluster.pause(still, true).unwrap();
    until("a replica takes over", async || all_work(&cache, 3).await).await;
    cluster.pause(still, false).unwrap();
    until("it is a replica", async || !cluster.is_primary(still)).await;
    until("all slots work", async || all_work(&cache, 4).await && all_work(&other, 5).await).await;
}

/// Since when a replica has been without its primary, by its own account; 0 if it is not.
fn alone_seconds(cluster: &RedisCluster, node: usize) -> u64 {
    let told = cluster.command(node, &["INFO", "replication"]).unwrap_or_default();
    let since = told.lines().find_map(|l| l.strip_prefix("master_link_down_since_seconds:"));
    since.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}

/// On a machine that is too busy for an election in good time: by its defaults a replica would be too
/// old then, and the cluster down until somebody brings the primary back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_however_long_it_was_alone() {
    // By the defaults one second and ten times the other.
    const SETTINGS: [(&str, &str); 2] =
        [("repl-ping-replica-period", "1"), ("cluster-node-timeout", "500")];
    const TOO_OLD_SECONDS: u64 = 1 + 10 / 2 + 2;
    let cluster = blocking(|| RedisCluster::start().unwrap()).await;
    let cache = open(cluster.url(), store(), RedisOptions::default());
    until("all slots work", async || all_work(&cache, 1).await).await;
    for node in cluster.nodes() {
        for (name, value) in SETTINGS {
            cluster.command(node, &["CONFIG", "SET", name, value]).unwrap();
        }
    }
    let is_primary = |node: &usize| cluster.is_primary(*node);
    let (primaries, replicas): (Vec<usize>, Vec<usize>) = cluster.nodes().partition(is_primary);
    let (lost, voters) = primaries.split_first().unwrap();
    voters.iter().for_each(|node| cluster.pause(*node, true).unwrap());
    cluster.kill(*lost).unwrap();
    until("its replica is too old", async || {
        replicas.iter().any(|node| alone_seconds(&cluster, *node) >= TOO_OLD_SECONDS)
    })
    .await;
    assert!(!all_work(&cache, 2).await);
    voters.iter().for_each(|node| cluster.pause(*node, false).unwrap());
    until("it takes over all the same", async || all_work(&cache, 3).await).await;
    assert!(cache.pool_statistics().breaker_is_closed);
    listening(&cache).await;
}
