//! What is kept, and what comes back after a restart.

use std::time::Duration;

use gamemesh_repository::Lane;
use gamemesh_stats::StatsConfig;
use serde_json::Value;

use super::sample::{end, kill};
use super::world::{Setting, World};

async fn position(world: &World) -> u64 {
    world.stores().stats.stats_progress(Lane(0)).await.unwrap().position
}

async fn everything(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["matches/m1", "matches/m2", "leaderboards/kills", "ratings", "players/a"] {
        all.push(world.get(path).await);
    }
    all
}

async fn sample(world: &World) {
    for n in 0..30 {
        let id = format!("e{n}");
        world.post(&[kill("m1", &id, n, "a", "b"), kill("m2", &id, n, "b", "a")]).await;
    }
    world.post(&[end("m1", "end", 40, "a")]).await;
}

#[tokio::test]
async fn a_restart_takes_what_was_kept_and_counts_the_rest() {
    let mut world = World::new().await;
    sample(&world).await;
    let before = everything(&world).await;
    world.restart().await;
    assert!(position(&world).await >= 31, "nothing was kept");
    assert_eq!(everything(&world).await, before);
    let row = world.stores().stats.match_stats("m1").await.unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.version, row.players.len()), ("ended", 31, 2));
    assert_eq!((row.players[0].player_id.as_str(), row.players[0].kills), ("a", 30));
    // Late: for a match that is kept and not in memory, with others that are known.
    let late = [kill("m1", "late", 5, "a", "b"), kill("m1", "e3", 3, "a", "b")];
    let statuses = world.post(&late).await;
    assert!(["counted", "late"].contains(&statuses[0].as_str()));
    assert_eq!(statuses[1], "duplicate");
    assert_eq!(world.get("matches/m1").await["version"], "32");
    assert_eq!(world.get("leaderboards/kills").await["entries"][0]["value"], 31);
    world.restart().await;
    assert_eq!(world.get("players/a").await["player"]["kills"], 31);
}

#[tokio::test]
async fn a_match_that_is_over_leaves_the_memory_and_comes_back() {
    let config = StatsConfig { evict_after: Duration::from_millis(50), ..StatsConfig::default() };
    let world = World::with(Setting { config, ..Setting::default() }).await;
    sample(&world).await;
    let before = world.get("matches/m1").await;
    let began = std::time::Instant::now();
    loop {
        let memory = world.get("system/stats").await["memoryBytes"].clone();
        if memory == "0" {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{memory} bytes are left");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(world.get("matches/m1").await, before);
    let (again, other) = (kill("m1", "e3", 3, "a", "b"), kill("m1", "e3", 4, "a", "b"));
    assert_eq!(world.post(&[again, other]).await, ["duplicate", "conflict"]);
}

#[tokio::test]
async fn tables_that_are_behind_are_made_up_for_from_the_log() {
    // A process that ends without a word keeps nothing; the log has it all.
    let mut world = World::new().await;
    sample(&world).await;
    let before = everything(&world).await;
    for _ in 0..3 {
        world.restart().await;
        assert_eq!(everything(&world).await, before);
    }
}
