//! Several instances of one store: each takes events, and all come to the same.

use gamemesh_testkit::postgres::Postgres;
use serde_json::Value;

use super::sample::{end, kill};
use super::world::{Setting, World};

async fn settled(worlds: &[World], path: &str) -> Vec<Value> {
    let began = std::time::Instant::now();
    loop {
        let mut answers = Vec::new();
        for world in worlds {
            let answer = world.http("GET", path, &[], "").await;
            answers.push(if answer.status == 200 { answer.json() } else { Value::Null });
        }
        if !answers[0].is_null() && answers.iter().all(|answer| *answer == answers[0]) {
            return answers;
        }
        assert!(began.elapsed().as_secs() < 30, "{path}: {answers:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_instances_that_take_the_same_events_count_each_once() {
    let postgres = Postgres::start().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let url = Some(postgres.url().to_owned());
        worlds.push(World::with(Setting { url, ..Setting::default() }).await);
    }
    let events: Vec<Vec<Value>> = (0..40)
        .map(|n| {
            let id = format!("e{n}");
            ["x", "y", "z"].iter().map(|m| kill(m, &id, n, "a", "b")).collect()
        })
        .collect();
    // Both get everything, in orders of their own.
    let forward = async {
        for events in &events {
            worlds[0].post(events).await;
        }
    };
    let backward = async {
        for events in events.iter().rev() {
            let events: Vec<_> = events.iter().rev().cloned().collect();
            worlds[1].post(&events).await;
        }
    };
    futures::join!(forward, backward);
    worlds[0].post(&[end("x", "end", 99, "a")]).await;
    for path in ["matches/x", "matches/y", "matches/z", "leaderboards/kills", "ratings"] {
        let answers = settled(&worlds, path).await;
        if path == "leaderboards/kills" {
            assert_eq!(answers[0]["entries"][0]["value"], 120);
        }
    }
    let counted = ["x", "y", "z"].map(|m| format!("matches/{m}"));
    let mut versions = 0;
    for path in counted {
        let version = worlds[0].get(&path).await["version"].as_str().unwrap().to_owned();
        versions += version.parse::<u64>().unwrap();
    }
    assert_eq!(versions, 121);
    // One goes, the other goes on, and a third comes to the same from what was kept.
    worlds[0].stop().await;
    worlds[1].post(&[kill("x", "late", 1, "a", "b")]).await;
    worlds[0].start().await;
    for path in ["matches/x", "leaderboards/kills", "ratings"] {
        settled(&worlds, path).await;
    }
    for world in &mut worlds {
        world.stop().await;
    }
}
