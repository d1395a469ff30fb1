//! The cache that other readers look into.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{L2, Lifetimes, LocalL2};
use gamemesh_contracts::stats::v1 as pb;
use prost::Message as _;

use super::sample::kill;
use super::world::{Setting, World};

async fn kept(shared: &LocalL2, version: u64) -> pb::MatchStats {
    for _ in 0..200 {
        if let Some(envelope) = shared.get("match-stats/m").await.unwrap()
            && envelope.version >= version
        {
            let bytes = zstd::bulk::decompress(&envelope.value, 1 << 20).unwrap();
            return pb::MatchStats::decode(&bytes[..]).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the match is not in the cache");
}

#[tokio::test]
async fn values_are_absolute_and_losing_them_changes_no_answer() {
    let shared = Arc::new(LocalL2::new(100, Lifetimes::default()));
    let setting = Setting { shared: Some(shared.clone()), ..Setting::default() };
    let world = World::with(setting).await;
    world.post(&[kill("m", "e1", 0, "a", "b"), kill("m", "e2", 0, "a", "b")]).await;
    assert_eq!(kept(&shared, 2).await.totals.unwrap().kills, 2);
    world.post(&[kill("m", "e3", 0, "a", "b"), kill("m", "e1", 0, "a", "b")]).await;
    let seen = kept(&shared, 3).await;
    assert_eq!((seen.version, seen.totals.unwrap().kills), (3, 3));
    let before = world.get("matches/m").await;
    shared.flush();
    assert_eq!(world.get("matches/m").await, before);
    shared.set_unavailable(true);
    world.post(&[kill("m", "e4", 0, "a", "b")]).await;
    assert_eq!(world.get("matches/m").await["version"], "4");
}

/// I2: a failover of the cache brings an older value back; no answer comes of it, and the next change puts it
/// right.
#[tokio::test]
async fn i2_an_older_copy_is_put_right() {
    let shared = Arc::new(LocalL2::new(100, Lifetimes::default()));
    let world = World::with(Setting { shared: Some(shared.clone()), ..Setting::default() }).await;
    world.post(&[kill("m", "e1", 0, "a", "b")]).await;
    kept(&shared, 1).await;
    let old = shared.get("match-stats/m").await.unwrap().unwrap();
    world.post(&[kill("m", "e2", 1, "a", "b"), kill("m", "e3", 2, "a", "b")]).await;
    kept(&shared, 3).await;
    shared.flush();
    shared.put("match-stats/m", old).await.unwrap();
    assert_eq!(world.get("matches/m").await["version"], "3");
    world.post(&[kill("m", "e4", 3, "a", "b")]).await;
    let seen = kept(&shared, 4).await;
    assert_eq!((seen.version, seen.totals.unwrap().kills), (4, 4));
}
