//! Several instances of one store: each takes events, and all come to the same.

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_repository::{Member, StreamName};
use gamemesh_testkit::postgres::Postgres;
use serde_json::Value;

use super::sample::{end, kill, placed};
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

/// Waits until each has lanes of its own.
async fn shared_out(worlds: &[World]) {
    for _ in 0..200 {
        let mut owning = 0;
        for world in worlds {
            owning += usize::from(world.metric("stats_lanes_owned").await > 0.0);
        }
        if owning == worlds.len() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the lanes are not shared out");
}

/// Through the door of one, all of it is seen at the other's as soon as it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_acknowledges_the_other_shows() {
    let postgres = Postgres::start().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let url = Some(postgres.url().to_owned());
        worlds.push(World::with(Setting { url, owns_lanes: true, ..Setting::default() }).await);
    }
    shared_out(&worlds).await;
    let matches: Vec<String> = (0..6).map(|n| format!("m{n}")).collect();
    for n in 0..10 {
        let id = format!("e{n}");
        let events: Vec<_> = matches.iter().map(|m| kill(m, &id, n, "a", "b")).collect();
        let (door, other) = (n as usize % 2, 1 - n as usize % 2);
        assert!(worlds[door].post(&events).await.iter().all(|status| status == "counted"));
        for m in &matches {
            let shown = worlds[other].get(&format!("matches/{m}/players/a")).await;
            assert_eq!(shown["kills"], n + 1, "{m}");
        }
        // Boards have what was acknowledged here.
        let board = worlds[door].get("leaderboards/kills").await;
        assert_eq!(board["entries"][0]["value"], (n + 1) * 6);
    }
    for world in &worlds {
        // Each has asked the other.
        assert!(
            world.metric("stats_lanes_calls_passed_on_total{outcome=\"answered\"}").await > 0.0
        );
    }
    // A stream through one door, with places in a sequence.
    let mut client = worlds[0].client().await;
    let requests = (0..20_u64).map(|part| pb::IngestEventsRequest {
        events: (0..30).map(|n| placed(&matches[n % 6], 60 + n as i64, "p", "b")).collect(),
        producer_id: "stream".to_owned(),
        epoch: 1,
        first_sequence: part * 30 + 1,
    });
    let requests: Vec<_> = requests.collect();
    let summary = client.ingest_events(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let tally = summary.tally.unwrap();
    assert_eq!((tally.counted, summary.durable_sequence), (600, 600));
    let asked = pb::GetPlayerRequest { player_id: "p".to_owned(), ..Default::default() };
    for world in &worlds {
        let began = std::time::Instant::now();
        loop {
            let answer = world.client().await.get_player(asked.clone()).await;
            if answer.is_ok_and(|answer| answer.into_inner().player.unwrap().kills == 600) {
                break;
            }
            assert!(began.elapsed().as_secs() < 20);
        }
    }
    // Nobody but an instance brings parts.
    let part = pb::IngestPartRequest::default();
    let refused = client.ingest_part(part).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    for world in &mut worlds {
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_instances_that_take_the_same_events_count_each_once() {
    let postgres = Postgres::start().unwrap();
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let url = Some(postgres.url().to_owned());
        worlds.push(World::with(Setting { url, owns_lanes: true, ..Setting::default() }).await);
    }
    shared_out(&worlds).await;
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

/// An owner that does not know yet that it is none: the log refuses what it writes, and what it was sent is
/// counted once it owns the lane again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_lane_is_another_s_writes_nothing() {
    let postgres = Postgres::start().unwrap();
    let url = Some(postgres.url().to_owned());
    let mut world = World::with(Setting { url, owns_lanes: true, ..Setting::default() }).await;
    world.post(&[kill("m", "e0", 0, "a", "b")]).await;
    let (log, leases) = (world.stores().log.clone(), world.stores().leases.clone());
    let lane = StreamName::new("match", "m").lane(log.lanes());
    let owner = leases.membership().await.unwrap().lanes[usize::from(lane.0)].owner.unwrap();
    // Somebody who never answers gets the lane, for two seconds.
    let other = Member { id: uuid::Uuid::new_v4(), address: "127.0.0.1:9".to_owned() };
    leases.renew(&other, std::time::Duration::from_secs(2)).await.unwrap();
    let before = log.read_lane(lane, 0, 100).await.unwrap().len();
    assert!(leases.hand_over(owner, lane, other.id).await.unwrap());
    let late = [kill("m", "e1", 1, "a", "b")];
    let (statuses, ()) = tokio::join!(world.post(&late), async {
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        let written = log.read_lane(lane, 0, 100).await.unwrap().len();
        assert_eq!(written, before, "it has written a lane that is another's");
    });
    assert_eq!(statuses, ["counted"]);
    assert_eq!(world.get("matches/m").await["version"], "2");
    world.stop().await;
}
