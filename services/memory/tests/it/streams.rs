//! Streams of events under names of the caller.

use futures::{StreamExt as _, TryStreamExt as _};
use gamemesh_contracts::memory::v1 as pb;

use super::calls::reason;
use super::world::{Events, World};

fn event(kind: &str) -> pb::StreamEvent {
    pb::StreamEvent { kind: kind.to_owned(), ..pb::StreamEvent::default() }
}

fn append(kinds: &[&str]) -> pb::AppendEventsRequest {
    pb::AppendEventsRequest {
        stream_id: "saga".to_owned(),
        events: kinds.iter().map(|kind| event(kind)).collect(),
        ..pb::AppendEventsRequest::default()
    }
}

async fn replayed(events: &mut Events, to_version: i64) -> Vec<String> {
    let request = pb::ReplayToSequenceRequest { stream_id: "saga".to_owned(), to_version };
    let replay = events.replay_to_sequence(request).await.unwrap().into_inner();
    let kinds = replay.map(|one| one.map(|one| one.event.unwrap().kind));
    kinds.try_collect().await.unwrap()
}

async fn roll_back(events: &mut Events, to_version: i64) -> i64 {
    let request =
        pb::RollbackToRequest { stream_id: "saga".to_owned(), to_version, expected_version: None };
    events.rollback_to(request).await.unwrap().into_inner().version
}

#[tokio::test]
async fn what_was_rolled_back_is_left_out_of_replays_and_stays_in_the_history() {
    let mut world = World::new().await;
    let mut events = world.events().await;
    events.append_events(append(&["a", "b", "c", "d", "e"])).await.unwrap();
    assert_eq!(roll_back(&mut events, 2).await, 6);
    events.append_events(append(&["f"])).await.unwrap();
    assert_eq!(replayed(&mut events, 0).await, ["a", "b", "f"]);
    assert_eq!(replayed(&mut events, 5).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(replayed(&mut events, 6).await, ["a", "b"]);
    // Back to before the rollback: what it took away is there again.
    assert_eq!(roll_back(&mut events, 4).await, 8);
    assert_eq!(replayed(&mut events, 0).await, ["a", "b", "c", "d"]);
    world.restart().await;
    let mut events = world.events().await;
    assert_eq!(replayed(&mut events, 0).await, ["a", "b", "c", "d"]);
    let request = |backwards| pb::ReadStreamRequest {
        stream_id: "saga".to_owned(),
        page_size: 3,
        backwards,
        ..Default::default()
    };
    let page = events.read_stream(request(false)).await.unwrap().into_inner();
    assert_eq!((page.events.len(), page.version, page.more), (3, 8, true));
    let page = events.read_stream(request(true)).await.unwrap().into_inner();
    let versions: Vec<i64> = page.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [8, 7, 6]);
}

/// Each event once by its id, whatever version is expected, from however many at once.
#[tokio::test]
async fn an_event_is_appended_once_by_its_id() {
    let world = World::new().await;
    let events = world.events().await;
    let mut request = append(&["a"]);
    request.events[0].event_id = "01234567-89ab-7def-8123-456789abcdef".to_owned();
    let tries = (0..50).map(|_| {
        let (mut events, request) = (events.clone(), request.clone());
        async move { events.append_events(request).await.unwrap().into_inner() }
    });
    let answers = futures::future::join_all(tries).await;
    assert!(answers.iter().all(|answer| answer.version == 1));
    assert_eq!(answers.iter().filter(|answer| !answer.repeated_write).count(), 1);
}

#[tokio::test]
async fn expected_versions_and_bad_input() {
    let world = World::new().await;
    let mut events = world.events().await;
    let with =
        |version| pb::AppendEventsRequest { expected_version: Some(version), ..append(&["a"]) };
    events.append_events(with(0)).await.unwrap();
    assert_eq!(reason(&events.append_events(with(0)).await.unwrap_err()), "VERSION_CONFLICT");
    events.append_events(with(1)).await.unwrap();
    let twice = pb::StreamEvent {
        event_id: "01234567-89ab-7def-8123-456789abcdef".to_owned(),
        ..event("a")
    };
    let cases = [
        ("4 KiB", pb::AppendEventsRequest { stream_id: "s".repeat(4_096), ..append(&["a"]) }),
        ("no name", pb::AppendEventsRequest { stream_id: String::new(), ..append(&["a"]) }),
        ("no events", append(&[])),
        ("no kind", append(&[""])),
        ("own kind", append(&["gamemesh.rolled_back"])),
        (
            "twice",
            pb::AppendEventsRequest { events: vec![twice.clone(), twice.clone()], ..append(&[]) },
        ),
        ("one without", pb::AppendEventsRequest { events: vec![twice, event("b")], ..append(&[]) }),
    ];
    for (what, request) in cases {
        let refused = events.append_events(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_ARGUMENT", "{what}");
    }
    let rollback = pb::RollbackToRequest {
        stream_id: "saga".to_owned(),
        to_version: 3,
        expected_version: None,
    };
    assert_eq!(reason(&events.rollback_to(rollback).await.unwrap_err()), "OUT_OF_HISTORY");
    let nothing = pb::ReadStreamRequest { stream_id: "nothing".to_owned(), ..Default::default() };
    assert_eq!(events.read_stream(nothing).await.unwrap().into_inner().version, 0);
}
