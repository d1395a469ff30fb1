//! Events by a real Kafka: deaths, and owners that sleep through a rebalance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gamemesh_client::stats_v1 as v1;
use gamemesh_contracts::combat::v1 as combat;
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use super::{BEGIN_S, client, random, rounds};
use crate::it::outbox::brokers;

const PARTITIONS: i32 = 4;
const MATCHES: u64 = 5;
/// Deaths in a run that does not say how many: a group waits six seconds for a member that is dead.
const ROUNDS: u32 = 3;
/// Longer than the broker waits for a member, and than a lease.
const SLEEP: Duration = Duration::from_secs(9);

/// Topics of one test.
struct Topics {
    brokers: String,
    events: String,
    combat: String,
}

impl Topics {
    async fn make() -> Self {
        let brokers = brokers().await;
        let name = uuid::Uuid::new_v4().simple().to_string();
        let topics = Self {
            events: format!("stats-events-{name}"),
            combat: format!("stats-combat-{name}"),
            brokers,
        };
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &topics.brokers).create().unwrap();
        // Of combat only one, so that two members of the group both get some of the events.
        let new = [(&topics.events, PARTITIONS), (&topics.combat, 1)]
            .map(|(name, count)| NewTopic::new(name, count, TopicReplication::Fixed(1)));
        for made in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
            made.unwrap();
        }
        topics
    }

    fn world(&self) -> gamemesh_testkit::Builder {
        World::builder()
            .services("stats")
            .env("KAFKA_BROKERS", &self.brokers)
            .env("STATS_EVENTS_TOPIC", &self.events)
            .env("STATS_COMBAT_TOPIC", &self.combat)
            .env("STATS_GROUP", &self.events)
    }

    fn producer(&self) -> FutureProducer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()
            .unwrap()
    }
}

/// Publishes until told to stop; what the broker has acknowledged is what has to be counted.
struct Publishing {
    stop: Arc<AtomicBool>,
    told: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Publishing {
    fn start(topics: &Topics) -> Self {
        let (producer, topic) = (topics.producer(), topics.events.clone());
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn({
            let (stop, told) = (stop.clone(), told.clone());
            async move {
                let mut number = 0_u64;
                while !stop.load(Ordering::Acquire) {
                    let batch: Vec<u64> = (number..number + 50).collect();
                    number += 50;
                    let sent = batch.iter().map(|n| send(&producer, &topic, *n));
                    futures::future::join_all(sent).await;
                    told.fetch_add(50, Ordering::AcqRel);
                    // Some again: by a producer that was not sure.
                    for n in batch.iter().filter(|n| *n % 10 == 0) {
                        send(&producer, &topic, *n).await;
                    }
                    // Garbage between them stops nobody.
                    let garbage = FutureRecord::<str, str>::to(&topic).payload("{garbage");
                    producer.send(garbage, Duration::from_secs(30)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
            }
        });
        Self { stop, told, task }
    }

    /// How many different events were acknowledged.
    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.task.await.unwrap();
        self.told.load(Ordering::Acquire)
    }
}

async fn send(producer: &FutureProducer, topic: &str, number: u64) {
    let (match_id, seconds) = (format!("m{}", number % MATCHES), BEGIN_S + number as i64);
    let payload = if number.is_multiple_of(2) {
        json!({
            "event_id": format!("e{number}"), "match_id": match_id, "player_id": "a",
            "event_type": "kill", "timestamp": seconds * 1_000, "event_data": {"victim_id": "b"},
        })
        .to_string()
        .into_bytes()
    } else {
        v1::MatchEvent {
            event_id: format!("e{number}"),
            match_id: match_id.clone(),
            player_id: "a".to_owned(),
            timestamp: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            data: Some(v1::match_event::Data::Kill(v1::Kill {
                victim_id: "b".to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        }
        .encode_to_vec()
    };
    // A match may be told of in any partition.
    let key = number.to_string();
    let record = FutureRecord::to(topic).key(&key).payload(&payload);
    producer.send(record, Duration::from_secs(30)).await.unwrap();
}

async fn kills(world: &World) -> u64 {
    let asked = v1::GetPlayerRequest { player_id: "a".to_owned(), ..Default::default() };
    let Ok(client) = client(&world.url()).await else { return 0 };
    match client.calls().get_player(asked).await {
        Ok(answer) => answer.into_inner().player.unwrap().kills.into(),
        Err(_) => 0,
    }
}

/// Waits until exactly so many are counted, and sees that it stays so.
async fn counted(world: &World, expected: u64) {
    let began = Instant::now();
    loop {
        let now = kills(world).await;
        assert!(now <= expected, "{now} of {expected}: something is counted twice");
        if now == expected {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{now} of {expected} are counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(kills(world).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_of_kafka_survive_deaths() {
    let topics = Topics::make().await;
    let mut world = topics.world().build().unwrap();
    world.start().await.unwrap();
    let publishing = Publishing::start(&topics);
    combat_session(&topics).await;
    for _ in 0..rounds(ROUNDS) {
        let (before, began) = (kills(&world).await, Instant::now());
        while kills(&world).await == before {
            assert!(began.elapsed() < Duration::from_secs(40), "nothing is read");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(random(400))).await;
        world.kill9();
        world.start().await.unwrap();
    }
    let told = publishing.end().await;
    assert!(told > 100);
    counted(&world, told).await;

    // Combat's events are those of a match.
    let asked = v1::GetMatchRequest { match_id: "session".to_owned(), ..Default::default() };
    let client = client(&world.url()).await.unwrap();
    let shown = client.calls().get_match(asked).await.unwrap().into_inner().r#match.unwrap();
    assert_eq!((shown.version, shown.totals.unwrap().kills), (3, 1));
}

/// A1: what REST acknowledges is in the log, whether there is a broker or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_takes_nothing_from_rest() {
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::builder().services("stats");
    let mut world = world.env("KAFKA_BROKERS", format!("127.0.0.1:{port}")).build().unwrap();
    world.start().await.unwrap();
    let event = |id: &str| {
        json!({
            "event_id": id, "match_id": "m", "player_id": "a", "event_type": "kill",
            "timestamp": BEGIN_S * 1_000, "event_data": {"victim_id": "b"},
        })
    };
    let body = json!([event("e1"), event("e2"), event("e3")]).to_string();
    let request = || {
        http::Request::post("/api/v1/match-stats/events").header("content-type", "application/json")
    };
    let address = world.address();
    let answer = gamemesh_testkit::http::send(&address, request(), body.clone()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["tally"]["counted"], "3");
    world.kill9();
    world.start().await.unwrap();
    assert_eq!(kills(&world).await, 3);
    let again = gamemesh_testkit::http::send(&address, request(), body).await.unwrap();
    assert_eq!(again.json()["tally"]["duplicates"], "3");
}

/// Two players, one of whom kills the other.
async fn combat_session(topics: &Topics) {
    use combat::combat_event::Event;
    let happened = [
        Event::Joined(combat::PlayerJoined { player_id: "x".into(), seat: 0, team: 1 }),
        Event::Joined(combat::PlayerJoined { player_id: "y".into(), seat: 1, team: 2 }),
        Event::Died(combat::PlayerDied {
            player_id: "y".into(),
            killer_id: "x".into(),
            ..Default::default()
        }),
    ];
    let producer = topics.producer();
    for (event, seq) in happened.into_iter().zip(1..) {
        let event = combat::CombatEvent {
            seq,
            time: Some(prost_types::Timestamp { seconds: BEGIN_S + seq as i64, nanos: 0 }),
            event: Some(event),
            ..Default::default()
        };
        let message = combat::CombatEventsMessage {
            session_id: "session".into(),
            epoch: 1,
            events: vec![event],
            session: None,
        };
        let payload = message.encode_to_vec();
        for _ in 0..2 {
            let record = FutureRecord::to(&topics.combat).key("session").payload(&payload);
            producer.send(record, Duration::from_secs(30)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_of_partitions_that_sleeps_through_a_rebalance_doubles_nothing() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let topics = Topics::make().await;
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let world = topics
            .world()
            .database_url(postgres.url())
            .env("POSTGRES_MAX_CONNS", "12")
            .env("LANES", "owned")
            .env("LANE_LEASE", "2s")
            .log_level("info");
        let mut world = world.build().unwrap();
        world.start().await.unwrap();
        worlds.push(world);
    }
    let publishing = Publishing::start(&topics);
    let began = Instant::now();
    while kills(&worlds[0]).await == 0 || !both_read(&worlds).await {
        if began.elapsed() > Duration::from_secs(60) {
            for world in &worlds {
                eprintln!("{} kills, {} received", kills(world).await, received(world).await);
            }
            panic!("nothing is read:\n{}\n{}", worlds[0].log_tail(), worlds[1].log_tail());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    worlds[0].pause(true).unwrap();
    tokio::time::sleep(SLEEP).await;
    let asleep = kills(&worlds[1]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(kills(&worlds[1]).await > asleep, "the other has not taken over");
    worlds[0].pause(false).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let told = publishing.end().await;
    for world in &worlds {
        counted(world, told).await;
    }
    // Ranks and matches are the same at both doors.
    let mut answers = BTreeSet::new();
    for world in &worlds {
        let client = client(&world.url()).await.unwrap();
        let asked = v1::GetRankRequest {
            metric: "kills".to_owned(),
            player_id: "a".to_owned(),
            ..Default::default()
        };
        let rank = client.calls().get_rank(asked).await.unwrap().into_inner();
        answers.insert(format!("{rank:?}"));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

/// Whether each instance has partitions, and reads them.
async fn both_read(worlds: &[World]) -> bool {
    for world in worlds {
        if received(world).await == 0.0 {
            return false;
        }
    }
    true
}

/// Events that an instance has read from Kafka.
async fn received(world: &World) -> f64 {
    let text = gamemesh_testkit::http::get(&world.address(), "/metrics").await.unwrap().text();
    let line = "match_stats_events_received_total{source=\"bus\"} ";
    let received = text.lines().find_map(|l| l.strip_prefix(line)?.parse::<f64>().ok());
    received.unwrap_or_default()
}
