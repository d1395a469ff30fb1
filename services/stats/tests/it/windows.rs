//! Windows of time: closed, frozen, and still there after a restart.

use std::time::Duration;

use gamemesh_rpc::clock::Clock;
use serde_json::json;

use super::sample::{BEGIN_S, kill};
use super::world::{Setting, World};

#[tokio::test]
async fn f4_a_closed_day_stays_as_it_was_closed_over_a_restart() {
    let clock = Clock::manual(BEGIN_S * 1_000_000);
    let mut world = World::with(Setting { clock: clock.clone(), ..Setting::default() }).await;
    world.post(&[kill("m1", "e1", 0, "a", "b"), kill("m2", "e1", 86_400, "a", "b")]).await;
    let day = world.get("leaderboards/kills?window=2026-01-01").await;
    assert_eq!((&day["frozen"], &day["total"]), (&json!(false), &json!("1")));
    assert_eq!(day["entries"][0]["value"], 1);
    assert_eq!(world.get("leaderboards/kills?window=day").await["window"], "2026-01-01");

    clock.advance(Duration::from_secs(86_400 + 3_601));
    world.restart().await;
    let began = std::time::Instant::now();
    while world.get("leaderboards/kills?window=2026-01-01").await["frozen"] != true {
        assert!(began.elapsed() < Duration::from_secs(30), "the day is not closed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.post(&[kill("m1", "late", 1, "a", "b")]).await;
    for _ in 0..2 {
        let day = world.get("leaderboards/kills?window=2026-01-01").await;
        assert_eq!((&day["frozen"], &day["entries"][0]["value"]), (&json!(true), &json!(1)));
        assert_eq!(world.get("leaderboards/kills?window=day").await["entries"][0]["value"], 1);
        assert_eq!(world.get("leaderboards/kills").await["entries"][0]["value"], 3);
        world.restart().await;
    }
}
