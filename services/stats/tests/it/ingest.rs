//! Ways in, their acknowledgements, and what happens when they break off.

use gamemesh_contracts::stats::v1 as pb;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::sample::{BEGIN_S, batch, kill, placed};
use super::world::World;

#[tokio::test]
async fn a2_good_and_bad_sent_three_times_counts_once() {
    let world = World::new().await;
    let events = [kill("m", "e1", 0, "a", "b"), json!({"event_id": "e2", "event_type": "kill"})];
    assert_eq!(world.post(&events).await, ["counted", "refused"]);
    for _ in 0..2 {
        assert_eq!(world.post(&events).await, ["duplicate", "refused"]);
    }
    assert_eq!(world.get("matches/m").await["version"], "1");
}

#[tokio::test]
async fn a4_a_peer_that_comes_again_goes_on_at_its_resume_point() {
    let world = World::new().await;
    let mut client = world.client().await;
    let events = |range: std::ops::Range<i64>| -> Vec<_> {
        range.map(|at| placed("m", at, "a", "b")).collect()
    };
    let (sender, receiver) = mpsc::channel(8);
    sender.send(batch("p", 1, events(0..10))).await.unwrap();
    let mut acks = client.ingest_channel(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let first = acks.message().await.unwrap().unwrap();
    assert!(first.credits > 0);
    loop {
        let ack = acks.message().await.unwrap().unwrap();
        if ack.durable_sequence == 10 {
            assert_eq!(ack.requests_durable, 1);
            break;
        }
    }
    // Gone without a word; what it had on its way is unknown to it.
    sender.send(batch("p", 11, events(10..20))).await.unwrap();
    drop((sender, acks));
    let asked = pb::GetResumePointRequest { producer_id: "p".to_owned() };
    let point = client.get_resume_point(asked).await.unwrap().into_inner();
    assert_eq!(point.epoch, 1);
    assert!([10, 20].contains(&point.durable_sequence));

    let again = pb::IngestBatchRequest {
        events: events(0..30),
        producer_id: "p".to_owned(),
        epoch: 1,
        first_sequence: 1,
        every_result: true,
    };
    let answer = client.ingest_batch(again).await.unwrap().into_inner();
    let tally = answer.tally.unwrap();
    assert_eq!(tally.counted + tally.duplicates, 30);
    assert_eq!((answer.durable_sequence, answer.results.len()), (30, 30));
    assert_eq!(world.get("matches/m").await["version"], "30");
}

#[tokio::test]
async fn a_stream_answers_when_all_of_it_is_durable() {
    let world = World::new().await;
    let mut client = world.client().await;
    let requests: Vec<_> = (0..40_u64)
        .map(|part| {
            let mut events: Vec<_> = (0..25)
                .map(|n| placed(&format!("m{}", n % 3), (part * 25 + n) as i64, "a", "b"))
                .collect();
            // One that nobody can count, in its place.
            events[0].player_id.clear();
            pb::IngestEventsRequest {
                events,
                producer_id: "stream".to_owned(),
                epoch: 0,
                first_sequence: part * 25 + 1,
            }
        })
        .collect();
    let summary = client.ingest_events(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let tally = summary.tally.unwrap();
    assert_eq!((tally.counted, tally.refused), (960, 40));
    assert_eq!((summary.problems.len(), summary.problems[1].index), (40, 25));
    assert_eq!(summary.durable_sequence, 1_000);
    let mut counted = 0;
    for id in ["m0", "m1", "m2"] {
        let version = world.get(&format!("matches/{id}")).await["version"].clone();
        counted += version.as_str().unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(counted, 960);
}

#[tokio::test]
async fn b1_one_event_by_every_way_counts_once() {
    let world = World::new().await;
    let id = "0190a6f0-1234-7abc-8def-0123456789ab";
    assert_eq!(world.post(&[kill("m", id, 0, "a", "b")]).await, ["counted"]);
    let event = pb::MatchEvent {
        event_id: id.to_uppercase(),
        match_id: "m".to_owned(),
        player_id: "a".to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds: BEGIN_S, nanos: 0 }),
        data: Some(pb::match_event::Data::Kill(pb::Kill {
            victim_id: "b".to_owned(),
            weapon: "bow".to_owned(),
            headshot: false,
        })),
        ..Default::default()
    };
    let mut client = world.client().await;
    let request = pb::IngestBatchRequest { events: vec![event], ..Default::default() };
    let tally = client.ingest_batch(request).await.unwrap().into_inner().tally.unwrap();
    assert_eq!(tally.duplicates, 1);
    assert_eq!(world.get("matches/m").await["version"], "1");
}

#[tokio::test]
async fn b5_a_batch_of_999_four_times_is_999() {
    let world = World::new().await;
    let events: Vec<_> = (0..999).map(|n| kill("m", &format!("e{n}"), n, "a", "b")).collect();
    for round in 0..4 {
        let expected = if round == 0 { "counted" } else { "duplicate" };
        assert!(world.post(&events).await.iter().all(|status| status == expected));
    }
    let shown = world.get("matches/m").await;
    assert_eq!((&shown["version"], &shown["totals"]["kills"]), (&json!("999"), &json!(999)));
}

#[tokio::test]
async fn i3_large_numbers_pass_exactly() {
    let world = World::new().await;
    let id = "76561197980428154";
    let event = json!({
        "event_id": "e", "match_id": "m", "player_id": id, "event_type": "damage",
        "timestamp": BEGIN_S * 1_000,
        "event_data": {"target_id": "b", "amount": 1, "shot_id": "9007199254740993"},
    });
    let other = json!({
        "event_id": "f", "match_id": "m", "player_id": id, "event_type": "damage",
        "timestamp": BEGIN_S * 1_000,
        "event_data": {"target_id": "b", "amount": 1, "shot_id": 9_007_199_254_740_992_u64},
    });
    assert_eq!(world.post(&[event, other]).await, ["counted", "counted"]);
    let shown = world.get(&format!("matches/m/players/{id}")).await;
    assert_eq!((&shown["playerId"], &shown["shotsHit"]), (&json!(id), &json!(2)));
}
