//! Watchers that are slower than the changes, in each way in which they can choose to be.

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_rpc::clock::Clock;
use gamemesh_state::StateConfig;
use pb::watch_aggregates_response::Message;
use serde_json::json;

use super::calls::{create, get, increment, merge, reason, update};
use super::documents::number;
use super::watcher::{Watcher, scope};
use super::world::{Client, World};

/// More than the feed keeps in memory, by far more than a mailbox holds.
const NOTES: i64 = 9_000;
const NOTES_PER_CALL: i64 = 1_000;

/// Appends events of the caller's own: many changes in few commits.
async fn flood(client: &Client, aggregate_type: &str, id: &str, notes: i64) {
    for _ in 0..notes / NOTES_PER_CALL {
        let note = pb::NewAggregateEvent { kind: "seen".to_owned(), ..Default::default() };
        let request = pb::AppendEventsRequest {
            r#type: aggregate_type.to_owned(),
            id: id.to_owned(),
            events: vec![note; NOTES_PER_CALL as usize],
            ..Default::default()
        };
        client.clone().append_events(request).await.unwrap();
    }
}

fn slow(aggregate_type: &str, slow: pb::SlowWatcher) -> pb::WatchAggregatesRequest {
    pb::WatchAggregatesRequest {
        slow_watcher: slow.into(),
        changes_only: true,
        ..scope(aggregate_type, "")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lossless_watcher_catches_up_from_the_log() {
    let world = World::new().await;
    let (client, other) = (world.client().await, world.client().await);
    create(&client, "guild", "g", &json!({})).await.unwrap();
    let (mut watcher, _) = Watcher::begun(&other, slow("guild", pb::SlowWatcher::Lossless)).await;
    flood(&client, "guild", "g", NOTES).await;
    flood(&client, "economy", "not watched", 1_000).await;

    for version in 2..=NOTES + 1 {
        let change = watcher.change().await.unwrap();
        assert_eq!(change.event.unwrap().version, version);
        assert!(!change.conflated);
    }
    // It has caught up, and follows again.
    increment(&client, "guild", "g", "bank.gold", 1.0).await.unwrap();
    assert_eq!(watcher.change().await.unwrap().event.unwrap().version, NOTES + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflating_watcher_ends_with_the_newest_state_of_each() {
    let world = World::new().await;
    let (client, other) = (world.client().await, world.client().await);
    let request = slow("economy", pb::SlowWatcher::Conflate);
    let (mut watcher, _) = Watcher::begun(&other, request).await;
    for n in 0..4_u32 {
        let id = format!("market-{n}");
        create(&client, "economy", &id, &json!({})).await.unwrap();
        flood(&client, "economy", &id, 2_000).await;
        increment(&client, "economy", &id, "balances.gold", f64::from(n) + 7.0).await.unwrap();
    }
    let (mut newest, mut messages, mut conflated) = (BTreeMap::new(), 0, false);
    while newest.len() < 4 || newest.values().any(|version| *version < 2_002) {
        let change = watcher.change().await.unwrap();
        let aggregate = change.aggregate.unwrap();
        let before = newest.insert(aggregate.id.clone(), aggregate.version);
        assert!(before.is_none_or(|before| before < aggregate.version), "{}", aggregate.id);
        messages += 1;
        conflated |= change.conflated;
        if aggregate.version == 2_002 {
            let now = get(&client, "economy", &aggregate.id).await.unwrap().aggregate.unwrap();
            assert_eq!(aggregate, now);
        }
    }
    assert!(conflated, "nothing says that changes were passed over");
    assert!(messages < 4_000, "{messages} messages for 8,008 changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_conflating_watcher_filters_is_not_passed_over_with_the_rest() {
    let world = World::new().await;
    let (client, other) = (world.client().await, world.client().await);
    // Large states fill what the connection holds, so that the watcher cannot go on.
    let state = json!({"balances": {"gold": 0}, "ballast": "x".repeat(16 << 10)});
    create(&client, "economy", "m", &state).await.unwrap();
    let request = pb::WatchAggregatesRequest {
        filter: "changed : balances".to_owned(),
        ..slow("economy", pb::SlowWatcher::Conflate)
    };
    let (mut watcher, _) = Watcher::begun(&other, request).await;
    let increments = (0..300).map(|_| increment(&client, "economy", "m", "balances.gold", 1.0));
    for increment in futures::future::join_all(increments).await {
        increment.unwrap();
    }
    // The newest event is not one that it wants, the one before is.
    update(&client, merge("economy", "m", &json!({"owner": "o"}))).await.unwrap();

    let (mut gold, mut conflated) = (0.0, false);
    while gold < 300.0 {
        let change = watcher.change().await.unwrap();
        let state = change.aggregate.unwrap().state.unwrap();
        let now = number(&state, &["balances", "gold"]).unwrap();
        assert!(now > gold, "{now} after {gold}");
        (gold, conflated) = (now, conflated | change.conflated);
    }
    assert!(conflated, "it was not slow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_would_rather_be_dropped_is_told_and_can_resume() {
    let world = World::new().await;
    let (client, other) = (world.client().await, world.client().await);
    create(&client, "guild", "g", &json!({})).await.unwrap();
    let request = slow("guild", pb::SlowWatcher::Drop);
    let (mut watcher, _) = Watcher::begun(&other, request.clone()).await;
    flood(&client, "guild", "g", NOTES).await;

    let mut version = 1;
    let status = loop {
        match watcher.change().await {
            Ok(change) => {
                version += 1;
                assert_eq!(change.event.unwrap().version, version);
            }
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), &*reason(&status)), (tonic::Code::Aborted, "SLOW_CONSUMER"));
    assert!(version < NOTES, "it was not slow");

    let resumed = pb::WatchAggregatesRequest {
        resume_token: watcher.token,
        slow_watcher: pb::SlowWatcher::Lossless.into(),
        ..request
    };
    let mut watcher = Watcher::open(&other, resumed).await.unwrap();
    while version < NOTES + 1 {
        version += 1;
        assert_eq!(watcher.change().await.unwrap().event.unwrap().version, version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_without_matches_moves_its_token_on_while_others_change() {
    let interval = Duration::from_millis(300);
    let config = StateConfig { watch_checkpoint_interval: interval, ..StateConfig::default() };
    let world = World::with(config, Clock::system()).await;
    let client = world.client().await;
    let request = pb::WatchAggregatesRequest {
        filter: "owner = \"nobody\"".to_owned(),
        changes_only: true,
        ..scope("economy", "")
    };
    let (mut watcher, _) = Watcher::begun(&client, request.clone()).await;
    let begun = watcher.token.clone();
    // Changes keep coming, none of them a match.
    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            loop {
                increment(&client, "economy", "busy", "balances.gold", 1.0).await.unwrap();
            }
        }
    });
    assert!(matches!(watcher.next().await.unwrap(), Message::Checkpoint(_)));
    writer.abort();
    assert_ne!(watcher.token, begun);
    assert!(writer.await.unwrap_err().is_cancelled());
    // Only what comes after the checkpoint is examined again.
    let owner = json!({"owner": "nobody"});
    let resumed = pb::WatchAggregatesRequest { resume_token: watcher.token.clone(), ..request };
    let mut again = Watcher::open(&client, resumed).await.unwrap();
    let written = update(&client, merge("economy", "busy", &owner)).await.unwrap();
    let version = written.write.unwrap().version;
    for watcher in [&mut watcher, &mut again] {
        assert_eq!(watcher.change().await.unwrap().event.unwrap().version, version);
    }
}
