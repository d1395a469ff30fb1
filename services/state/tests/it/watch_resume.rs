//! Watches that are cut off after every message and go on: each change once, in order.

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use pb::watch_aggregates_response::Message;
use serde_json::json;

use super::calls::{create, increment, merge, update};
use super::documents::number;
use super::watcher::{Change, Watcher, history, scope};
use super::world::{Client, World};

/// Aggregates of each type, and changes made while the watchers watch.
const AGGREGATES: usize = 3;
const CHANGES: usize = 90;

/// Ends the run: every watcher sees it, whatever it filters.
const LAST: f64 = 1_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_cut_off_at_every_message_sees_each_change_once_and_in_order() {
    let world = World::new().await;
    let client = world.client().await;
    for (aggregate_type, id) in aggregates() {
        create(&client, aggregate_type, &id, &json!({"level": 1})).await.unwrap();
    }
    let sparse = "level >= 10 AND _id = \"watched-1\"";
    let scopes = [
        scope("guild", "watched-1"),
        scope("guild", ""),
        scope("", ""),
        pb::WatchAggregatesRequest { filter: sparse.to_owned(), ..scope("guild", "") },
        pb::WatchAggregatesRequest { filter: "changed : level".to_owned(), ..scope("", "") },
    ];
    let mut watchers = Vec::new();
    for request in scopes {
        let client = world.client().await;
        // Opened before anything changes, so that every change is due.
        let (watcher, present) = Watcher::begun(&client, request.clone()).await;
        assert!(present.iter().all(|aggregate| aggregate.version == 1), "{present:?}");
        let token = watcher.token.clone();
        drop(watcher);
        watchers.push(tokio::spawn(async move {
            let seen = resume_at_every_message(&client, &request, token).await;
            (request, seen)
        }));
    }
    change_everything(&client).await;

    let mut events = Vec::new();
    for (aggregate_type, id) in aggregates() {
        events.extend(history(&client, aggregate_type, &id).await);
    }
    events.retain(|event| event.version > 1);
    events.sort_by_key(|event| event.position);
    for watcher in watchers {
        let (request, seen) = watcher.await.unwrap();
        let expected: Vec<Change> =
            events.iter().filter(|event| concerns(&request, event)).map(Change::from).collect();
        assert!(expected.len() >= 2, "{request:?}");
        assert_eq!(seen, expected, "{request:?}");
    }
}

fn aggregates() -> impl Iterator<Item = (&'static str, String)> {
    ["guild", "economy"].into_iter().flat_map(|aggregate_type| {
        (0..AGGREGATES).map(move |n| (aggregate_type, format!("watched-{n}")))
    })
}

/// Each change is one of the level; every tenth makes it ten or more.
async fn change_everything(client: &Client) {
    for n in 0..CHANGES {
        let (aggregate_type, id) = aggregates().nth(n % (2 * AGGREGATES)).unwrap();
        let level = if n % 10 == 7 { 10 + n } else { 2 + n / (2 * AGGREGATES) % 5 };
        let patch = json!({"level": level, "step": n});
        update(client, merge(aggregate_type, &id, &patch)).await.unwrap();
    }
    for (aggregate_type, id) in aggregates() {
        update(client, merge(aggregate_type, &id, &json!({"level": LAST}))).await.unwrap();
    }
}

/// What a request asks for, said without the service.
fn concerns(request: &pb::WatchAggregatesRequest, event: &pb::AggregateEvent) -> bool {
    let data = event.data.as_ref().and_then(|data| data.kind.as_ref());
    let level = match data {
        Some(prost_types::value::Kind::StructValue(patch)) => number(patch, &["level"]),
        _ => None,
    };
    let of_type = request.r#type.is_empty() || request.r#type == event.r#type;
    let of_id = request.id.is_empty() || request.id == event.id;
    of_type
        && of_id
        && match &*request.filter {
            "" | "changed : level" => true,
            _ => level.is_some_and(|level| level >= 10.0) && event.id == "watched-1",
        }
}

/// Reads one message, drops the stream, and goes on with its token, until the last change of each
/// watched aggregate has come.
async fn resume_at_every_message(
    client: &Client,
    request: &pb::WatchAggregatesRequest,
    mut token: String,
) -> Vec<Change> {
    let (mut seen, mut finished) = (Vec::new(), BTreeMap::new());
    let due = match (&*request.r#type, &*request.id, &*request.filter) {
        (_, "", "" | "changed : level") if request.r#type.is_empty() => 2 * AGGREGATES,
        (_, "", "") => AGGREGATES,
        _ => 1,
    };
    while finished.len() < due {
        let request = pb::WatchAggregatesRequest { resume_token: token, ..request.clone() };
        let mut watcher = Watcher::open(client, request).await.unwrap();
        match watcher.next().await.unwrap() {
            Message::Change(change) => {
                let event = change.event.unwrap();
                let aggregate = change.aggregate.unwrap();
                assert_eq!(aggregate.version, event.version);
                assert!(!change.conflated);
                if number(&aggregate.state.unwrap(), &["level"]) == Some(LAST) {
                    finished.insert((event.r#type.clone(), event.id.clone()), event.version);
                }
                seen.push(Change::from(&event));
            }
            Message::Checkpoint(_) => {}
            other => panic!("a resumed watch begins with {other:?}"),
        }
        token = watcher.token;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_present_and_what_changes_meet_without_gap_or_repetition() {
    let world = World::new().await;
    let client = world.client().await;
    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            for n in 0..CHANGES {
                let id = format!("met-{}", n % 5);
                increment(&client, "economy", &id, "balances.gold", 1.0).await.unwrap();
            }
        }
    });
    // Each begins at another moment of the run.
    let mut watchers = Vec::new();
    for _ in 0..12 {
        watchers.push(Watcher::begun(&client, scope("economy", "")).await);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    for (mut watcher, present) in watchers {
        let mut versions: BTreeMap<String, i64> =
            present.into_iter().map(|aggregate| (aggregate.id, aggregate.version)).collect();
        while versions.values().sum::<i64>() < CHANGES as i64 {
            let event = watcher.change().await.unwrap().event.unwrap();
            let version = versions.entry(event.id.clone()).or_default();
            assert_eq!(event.version, *version + 1, "{}", event.id);
            *version = event.version;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_after_a_restart_and_tells_of_deletion_and_return() {
    let mut world = World::new().await;
    let client = world.client().await;
    create(&client, "guild", "g", &json!({"level": 2})).await.unwrap();
    let filter = "level >= 2".to_owned();
    let request = pb::WatchAggregatesRequest { filter, ..scope("guild", "g") };
    let (watcher, present) = Watcher::begun(&client, request.clone()).await;
    assert_eq!(present.len(), 1);
    let token = watcher.token.clone();
    drop(watcher);

    let gone = pb::DeleteAggregateRequest {
        r#type: "guild".to_owned(),
        id: "g".to_owned(),
        ..Default::default()
    };
    client.clone().delete_aggregate(gone).await.unwrap();
    create(&client, "guild", "g", &json!({"level": 1})).await.unwrap();
    create(&client, "guild", "other", &json!({"level": 9})).await.unwrap();
    update(&client, merge("guild", "g", &json!({"level": 3}))).await.unwrap();
    drop(client);
    world.restart().await;

    let client = world.client().await;
    let resumed = pb::WatchAggregatesRequest { resume_token: token, ..request };
    let mut watcher = Watcher::open(&client, resumed).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let change = watcher.change().await.unwrap();
        told.push((
            change.event.unwrap().kind,
            change.aggregate.map(|aggregate| aggregate.version),
        ));
    }
    // The return at level 1 does not match; the deletion does, for those who could see it before.
    assert_eq!(told, [("deleted".to_owned(), None), ("merged".to_owned(), Some(4))]);
}
