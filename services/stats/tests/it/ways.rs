//! Shuffled, repeated, and split over every way in by several producers: the same answers to the last byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use gamemesh_bus::{LocalBus, Message, Publisher as _};
use gamemesh_contracts::stats::v1 as pb;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::sample::BEGIN_S;
use super::world::{Setting, World};

/// Cases of a run.
const CASES: u64 = 2_000;
/// Cases at a time, so that their commits are shared.
const AT_ONCE: usize = 8;
/// Until somebody who was turned away comes again.
const AGAIN: Duration = Duration::from_millis(100);
const PRODUCERS: u64 = 3;
const PLAYERS: [&str; 4] = ["ann", "bob", "cid", "dee"];

/// A generator of numbers that is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// A match in its order: kills, hits, places, rounds, at times that often are the same.
fn events(case: u64, numbers: &mut Numbers) -> Vec<Value> {
    let count = 3 + numbers.below(24);
    let mut at_ms = 0;
    (0..count)
        .map(|n| {
            at_ms += [0, 250, 900, 4_000, 12_000][numbers.below(5) as usize];
            let player = PLAYERS[numbers.below(4) as usize];
            let other = PLAYERS[numbers.below(4) as usize];
            let (kind, data) = match numbers.below(8) {
                0..=2 => ("kill", json!({"victim_id": other, "weapon": "bow"})),
                3 => ("death", json!({"killer_id": other})),
                4 => (
                    "damage",
                    json!({"target_id": other, "amount": numbers.below(90), "target_health": 60}),
                ),
                5 => ("position", json!({"x": numbers.below(50), "y": numbers.below(50), "z": 0})),
                6 => ("player_join", json!({"team": if player < "c" { "red" } else { "blue" }})),
                _ => ("objective", json!({"name": "round_start", "round": n})),
            };
            json!({
                "event_id": format!("{case}-{n}"), "player_id": player, "event_type": kind,
                "timestamp": BEGIN_S * 1_000 + at_ms, "event_data": data,
            })
        })
        .collect()
}

fn of_match(events: &[Value], id: &str) -> Vec<Value> {
    let mut events = events.to_vec();
    for event in &mut events {
        event["match_id"] = id.into();
    }
    events
}

/// By one of the ways; answered when it is counted, but for the bus.
async fn told(world: &World, bus: &Mutex<Bus>, way: u64, events: Vec<Value>) {
    match way {
        0 => posted(world, &events).await,
        1 => {
            let request = pb::IngestBatchRequest {
                events: events.iter().map(message).collect(),
                ..Default::default()
            };
            let mut client = world.client().await;
            while let Err(status) = client.ingest_batch(request.clone()).await {
                assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}");
                tokio::time::sleep(AGAIN).await;
            }
        }
        2 => {
            let requests: Vec<_> = events
                .chunks(3)
                .map(|events| pb::IngestEventsRequest {
                    events: events.iter().map(message).collect(),
                    ..Default::default()
                })
                .collect();
            let mut client = world.client().await;
            while let Err(status) = client.ingest_events(tokio_stream::iter(requests.clone())).await
            {
                assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}");
                tokio::time::sleep(AGAIN).await;
            }
        }
        _ => bus.lock().await.publish(events).await,
    }
}

/// A busy machine may turn some away.
async fn posted(world: &World, events: &[Value]) {
    let body = Value::Array(events.to_vec()).to_string();
    loop {
        let headers = [("content-type", "application/json")];
        let answer = world.http("POST", "events", &headers, body.clone()).await;
        match answer.status {
            200 => return,
            429 => tokio::time::sleep(AGAIN).await,
            other => panic!("{other}: {:?}", answer.body),
        }
    }
}

/// The same as a message of the contract.
fn message(event: &Value) -> pb::MatchEvent {
    use pb::match_event::Data;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let data = &event["event_data"];
    let typed = match &*text(&event["event_type"]) {
        "kill" => Data::Kill(pb::Kill {
            victim_id: text(&data["victim_id"]),
            weapon: text(&data["weapon"]),
            headshot: false,
        }),
        "death" => {
            Data::Death(pb::Death { killer_id: text(&data["killer_id"]), ..pb::Death::default() })
        }
        "damage" => Data::Damage(pb::Damage {
            target_id: text(&data["target_id"]),
            amount: number(&data["amount"]),
            target_health: Some(number(&data["target_health"])),
            ..pb::Damage::default()
        }),
        "position" => Data::Position(pb::Position {
            x: number(&data["x"]),
            y: number(&data["y"]),
            z: number(&data["z"]),
        }),
        "player_join" => Data::PlayerJoin(pb::PlayerJoin { team: text(&data["team"]) }),
        _ => Data::Objective(pb::Objective {
            name: text(&data["name"]),
            round: data["round"].as_u64().unwrap_or_default() as u32,
            ..pb::Objective::default()
        }),
    };
    let ms = event["timestamp"].as_i64().unwrap();
    pb::MatchEvent {
        event_id: text(&event["event_id"]),
        match_id: text(&event["match_id"]),
        player_id: text(&event["player_id"]),
        timestamp: Some(prost_types::Timestamp {
            seconds: ms / 1_000,
            nanos: (ms % 1_000) as i32 * 1_000_000,
        }),
        data: Some(typed),
        ..Default::default()
    }
}

struct Bus {
    bus: LocalBus,
    position: u64,
}

impl Bus {
    /// Half of them as JSON, the other half as protobuf.
    async fn publish(&mut self, events: Vec<Value>) {
        use prost::Message as _;
        let first = self.position + 1;
        self.position += events.len() as u64;
        let of = |(event, position): (&Value, u64)| Message {
            topic: "game.match.events".into(),
            key: Bytes::from("m"),
            payload: match position % 2 {
                0 => Bytes::from(event.to_string()),
                _ => Bytes::from(message(event).encode_to_vec()),
            },
            headers: Vec::new(),
            lane: 0,
            position,
        };
        let batch = events.iter().zip(first..).map(of).collect();
        let mut session = self.bus.session().await.unwrap();
        session.publish(batch).await.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_matches_by_every_way_in_any_order_are_the_same_to_the_last_byte() {
    let bus = LocalBus::new();
    let world =
        World::with(Setting { consumers: Some(Arc::new(bus.clone())), ..Setting::default() }).await;
    let topics = [Arc::from("game.match.events")];
    bus.has_subscribers(&topics).wait_for(|reads| *reads).await.unwrap();
    let bus = Mutex::new(Bus { bus, position: 0 });
    let cases = (1..=CASES).map(|case| run(&world, &bus, case));
    let mut running = futures::stream::iter(cases).buffer_unordered(AT_ONCE);
    let mut done = 0;
    while running.next().await.is_some() {
        done += 1;
    }
    assert_eq!(done, CASES);
}

async fn run(world: &World, bus: &Mutex<Bus>, case: u64) {
    let mut numbers = Numbers(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let events = events(case, &mut numbers);
    let (straight, other) = (format!("straight-{case}"), format!("other-{case}"));
    posted(world, &of_match(&events, &straight)).await;

    // Everything once, and some again, by producers that know nothing of each other.
    let mut told_of = of_match(&events, &other);
    let again = numbers.below(events.len() as u64) as usize;
    told_of.extend_from_within(..again);
    numbers.shuffle(&mut told_of);
    let mut producers: Vec<Vec<Value>> = vec![Vec::new(); PRODUCERS as usize];
    for event in told_of {
        producers[numbers.below(PRODUCERS) as usize].push(event);
    }
    let ways: Vec<u64> = (0..PRODUCERS).map(|_| numbers.below(4)).collect();
    let sent = producers.into_iter().zip(ways).map(|(events, way)| told(world, bus, way, events));
    futures::future::join_all(sent).await;

    let mut expected = shown(world, &straight).await;
    while expected == "{}" {
        tokio::time::sleep(AGAIN).await;
        expected = shown(world, &straight).await;
    }
    let began = std::time::Instant::now();
    loop {
        // What went by the bus is counted when it is read.
        let answer = shown(world, &other).await.replace(&other, &straight);
        if answer == expected {
            return;
        }
        let value: Value = serde_json::from_str(&answer).unwrap();
        let version = value["version"].as_str().and_then(|version| version.parse::<usize>().ok());
        let is_all = version.is_some_and(|version| version >= events.len());
        let late = began.elapsed().as_secs() >= 20;
        assert!(!is_all && !late, "case {case} differs:\n{answer}\n{expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The answer as it is, but for a match that nothing is known of yet.
async fn shown(world: &World, id: &str) -> String {
    let answer = world.http("GET", &format!("matches/{id}"), &[], "").await;
    match answer.status {
        200 => String::from_utf8(answer.body.to_vec()).unwrap(),
        404 | 429 => "{}".to_owned(),
        other => panic!("{other}: {:?}", answer.body),
    }
}
