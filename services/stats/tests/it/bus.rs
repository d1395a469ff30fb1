//! Events by the bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_bus::{LocalBus, Message, Publisher as _};
use gamemesh_contracts::combat::v1 as combat;
use prost::Message as _;
use serde_json::json;

use super::sample::{BEGIN_S, kill};
use super::world::{Setting, World};

async fn publish(bus: &LocalBus, topic: &str, first: u64, payloads: Vec<Bytes>) {
    // Nothing is kept for nobody.
    let topics = [std::sync::Arc::from(topic)];
    bus.has_subscribers(&topics).wait_for(|reads| *reads).await.unwrap();
    let mut session = bus.session().await.unwrap();
    let batch = payloads.into_iter().zip(first..).map(|(payload, position)| Message {
        topic: topic.into(),
        key: Bytes::from("m"),
        payload,
        headers: Vec::new(),
        lane: 0,
        position,
    });
    session.publish(batch.collect()).await.await.unwrap();
}

async fn version(world: &World, id: &str, expected: &str) {
    let began = std::time::Instant::now();
    loop {
        let answer = world.http("GET", &format!("matches/{id}"), &[], "").await;
        if answer.status == 200 && answer.json()["version"] == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{id}: {:?}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn world(bus: &LocalBus) -> World {
    World::with(Setting { consumers: Some(Arc::new(bus.clone())), ..Setting::default() }).await
}

#[tokio::test]
async fn h5_garbage_is_set_aside_and_what_follows_is_counted() {
    let bus = LocalBus::new();
    let mut world = world(&bus).await;
    let event = |id: &str| Bytes::from(kill("m", id, 0, "a", "b").to_string());
    let unnamed = Bytes::from(kill("m", "", 5, "a", "b").to_string());
    let several = Bytes::from(json!([kill("m", "e3", 0, "a", "b"), 7]).to_string());
    let payloads = vec![
        event("e1"),
        Bytes::from_static(b"{garbage"),
        Bytes::new(),
        Bytes::from_static(b"\xff\xff"),
        event("e2"),
        event("e1"),
        several,
        unnamed,
    ];
    publish(&bus, "game.match.events", 1, payloads).await;
    version(&world, "m", "4").await;
    world.restart().await;
    publish(&bus, "game.match.events", 9, vec![event("e4"), event("e2")]).await;
    version(&world, "m", "5").await;
}

#[tokio::test]
async fn combat_is_counted() {
    use combat::combat_event::Event;
    let bus = LocalBus::new();
    let world = world(&bus).await;
    let happened = [
        Event::Joined(combat::PlayerJoined { player_id: "a".into(), seat: 0, team: 1 }),
        Event::Joined(combat::PlayerJoined { player_id: "b".into(), seat: 1, team: 2 }),
        Event::Joined(combat::PlayerJoined { player_id: "c".into(), seat: 2, team: 1 }),
        Event::Status(combat::StatusChanged { to: "active".into(), ..Default::default() }),
        Event::Fired(combat::ShotFired {
            player_id: "a".into(),
            shot: 1,
            weapon: "rifle".into(),
            ..Default::default()
        }),
        Event::Damaged(combat::PlayerDamaged {
            target_id: "b".into(),
            source_id: "a".into(),
            cause: "rifle".into(),
            shot: 1,
            part: "head".into(),
            health: 100,
            overkill: 40,
            ..Default::default()
        }),
        Event::Died(combat::PlayerDied {
            player_id: "b".into(),
            killer_id: "a".into(),
            cause: "rifle".into(),
            assist_ids: vec!["c".into()],
            headshot: true,
            ..Default::default()
        }),
        Event::Status(combat::StatusChanged {
            to: "ended".into(),
            winner: "1".into(),
            ..Default::default()
        }),
    ];
    let messages = happened.into_iter().zip(1..).map(|(event, seq)| {
        let event = combat::CombatEvent {
            seq,
            time: Some(prost_types::Timestamp { seconds: BEGIN_S + seq as i64, nanos: 0 }),
            event: Some(event),
            ..Default::default()
        };
        let message = combat::CombatEventsMessage {
            session_id: "s".into(),
            epoch: 1,
            events: vec![event],
            session: None,
        };
        Bytes::from(message.encode_to_vec())
    });
    publish(&bus, "game.combat.events", 1, messages.collect()).await;
    version(&world, "s", "9").await;
    let shown = world.get("matches/s").await;
    assert_eq!((&shown["status"], &shown["winner"]), (&json!("MATCH_STATUS_ENDED"), &json!("1")));
    let a = &shown["players"][0];
    for (figure, expected) in [
        ("kills", 1),
        ("headshotKills", 1),
        ("damageDealt", 100),
        ("overkillDamage", 40),
        ("matchesWon", 1),
    ] {
        assert_eq!(a[figure], expected, "{figure}");
    }
    assert_eq!((&a["shotsFired"], &a["shotsHit"]), (&json!("1"), &json!(1)));
    assert_eq!(shown["players"][2]["assists"], 1);
    assert_eq!(world.get("ratings").await["matches"], "1");
}
