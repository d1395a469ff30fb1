//! A shot on its way over a real broker: to whoever reads the topic, to the numbers of its player, and to
//! the validator, a process of its own, which says so where a judgement does not hold.

use std::collections::BTreeSet;
use std::time::Duration;

use gamemesh_client::stats_v1::GetPlayerRequest;
use gamemesh_client::{ClientOptions, StatsClient};
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use uuid::Uuid;

use super::player::{Player, joins};
use super::{PATIENCE, rest, until};
use crate::it::outbox::brokers;

const EVENTS: &str = "game.combat.events";
const VALIDATION: &str = "game.combat.damage.validation";
const SHOTS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shot_reaches_the_topic_the_numbers_and_the_validator() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let brokers = brokers().await;
    let world = |services: &str| {
        let builder = World::builder().services(services).database_url(postgres.url());
        builder.env("KAFKA_BROKERS", &brokers).build().unwrap()
    };
    let (mut game, mut validator) = (world("combat,stats"), world("damage-validator"));
    game.start().await.unwrap();
    validator.start().await.unwrap();

    // Names of this run: the topics are those of every run.
    let (ada_id, bob_id) = (format!("ada-{}", Uuid::new_v4()), format!("bob-{}", Uuid::new_v4()));
    let session = rest::create(&game, json!({})).await;
    let mut ada = Player::connect(&game.address(), &session, joins(&ada_id)).await;
    let bob = Player::connect(&game.address(), &session, joins(&bob_id)).await;
    ada.face(bob.seat()).await;
    let (mut accepted, mut judged) = (BTreeSet::new(), 0);
    for _ in 0..SHOTS {
        let verdict = ada.shoot(bob.seat()).await.unwrap().verdict.unwrap();
        judged += 1;
        if verdict.accepted {
            accepted.insert(verdict.number);
        }
        ada.hear_for(Duration::from_millis(150)).await;
    }
    rest::call(&game, "DELETE", &format!("/sessions/{session}"), &Value::Null).await;

    // The topic has all of it, in order, each under the name of its session.
    let events = read(&brokers, EVENTS, &session, |payload| {
        pb::CombatEventsMessage::decode(payload).unwrap().events
    })
    .await;
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).filter(|seq| *seq > 0).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let fired = events.iter().filter_map(|event| match &event.event {
        Some(pb::combat_event::Event::Fired(fired)) => Some(fired.shot),
        _ => None,
    });
    assert_eq!(fired.collect::<BTreeSet<_>>(), accepted);

    // The numbers of the player, by the service that counts.
    let stats = StatsClient::connect(&game.url(), &ClientOptions::default()).await.unwrap();
    until("the shots are counted", async || {
        let asked = GetPlayerRequest { player_id: ada_id.clone(), window: String::new() };
        let player = stats.calls().get_player(asked).await.ok();
        let shots = player.and_then(|player| player.into_inner().player).map(|p| p.shots_fired);
        shots == Some(accepted.len() as i64)
    })
    .await;

    // The validator has judged each again, and agrees.
    let all = "combat_validations_total";
    until("the judgements", async || rest::metric(&validator, all).await >= f64::from(judged))
        .await;
    let disagreed = "combat_validations_disagreed_total";
    assert_eq!(rest::metric(&validator, disagreed).await, 0.0, "{}", validator.log_tail());
    // Somebody claims a hit further away than the weapon reaches; and something that is no judgement.
    publish(&brokers, &manipulated(&session).encode_to_vec()).await;
    publish(&brokers, b"\xff\xff no judgement").await;
    until("the disagreement", async || rest::metric(&validator, disagreed).await == 1.0).await;
    let unreadable = "combat_validations_unreadable_total";
    until("the unreadable", async || rest::metric(&validator, unreadable).await == 1.0).await;
    assert!(game.stop().await.unwrap().success() && validator.stop().await.unwrap().success());
}

/// What a topic has of a session, until it has ended.
async fn read(
    brokers: &str,
    topic: &str,
    session: &str,
    events: impl Fn(&[u8]) -> Vec<pb::CombatEvent>,
) -> Vec<pb::CombatEvent> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", Uuid::new_v4().to_string())
        .set("auto.offset.reset", "earliest")
        .set("topic.metadata.refresh.interval.ms", "500")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut all: Vec<pb::CombatEvent> = Vec::new();
    let is_over = |event: &pb::CombatEvent| match &event.event {
        Some(pb::combat_event::Event::Status(status)) => status.to == "ended",
        _ => false,
    };
    let reading = tokio::time::timeout(PATIENCE, async {
        while !all.iter().any(is_over) {
            // The topic, or the broker, may not be there yet.
            let Ok(message) = consumer.recv().await else { continue };
            if message.key() != Some(session.as_bytes()) {
                continue;
            }
            let headers = message.headers().unwrap();
            let header = |name: &str| headers.iter().find(|header| header.key == name);
            let stream = header("stream").unwrap().value.unwrap();
            assert_eq!(stream, format!("combat/{session}").as_bytes());
            assert!(header("position").is_some() && header("event-id").is_some());
            all.extend(events(message.payload().unwrap()));
        }
    });
    reading.await.expect("the session does not end on the topic");
    all
}

async fn publish(brokers: &str, payload: &[u8]) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let record = FutureRecord::to(VALIDATION).key("manipulated").payload(payload);
    producer.send(record, Duration::from_secs(30)).await.unwrap();
}

fn manipulated(session: &str) -> pb::DamageValidationMessage {
    let evidence =
        |name: &str, value| pb::Evidence { name: name.to_owned(), value, unit: String::new() };
    let verdict = pb::Verdict {
        kind: "shot".to_owned(),
        accepted: true,
        reason: "HIT".to_owned(),
        evidence: vec![evidence("distance", 900_000), evidence("range", 50_000)],
        hit: Some(pb::Hit::default()),
        ..pb::Verdict::default()
    };
    let validation = pb::DamageValidation {
        number: 1,
        verdict: Some(verdict),
        ..pb::DamageValidation::default()
    };
    pb::DamageValidationMessage {
        session_id: session.to_owned(),
        validations: vec![validation],
        ..pb::DamageValidationMessage::default()
    }
}
