//! The outbox against a real broker: every acknowledged write is an event of the topic, in order, while
//! broker and instances die.

mod away;
mod reader;
mod servers;

use std::collections::BTreeMap;
use std::time::Duration;

use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, ClientOptions, RetryOptions, v1};
use gamemesh_testkit::{World, http};
use uuid::Uuid;

use self::reader::{Events, Reader};
use self::servers::Servers;
pub(super) use self::servers::brokers;

const GUILDS: usize = 7;
/// The server passes a fault point, or is ready again, within this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn topic() -> String {
    format!("events-{}", Uuid::new_v4())
}

fn world(brokers: &str, topic: &str) -> gamemesh_testkit::Builder {
    World::builder().services("state").env("KAFKA_BROKERS", brokers).env("KAFKA_STATE_TOPIC", topic)
}

fn patient() -> ClientOptions {
    ClientOptions {
        deadline: Duration::from_secs(30),
        retry: RetryOptions { attempts_max: 40, ..RetryOptions::default() },
        ..ClientOptions::default()
    }
}

/// Made again under its key as long as nobody is there: an instance that dies uses up the client's
/// budget for retries. No refusal is let pass.
async fn increment(client: &Client, guild: usize) {
    let operation = v1::Operation {
        kind: Some(Kind::Increment(v1::IncrementOperation {
            path: "n".into(),
            by: 1.0,
            ..Default::default()
        })),
    };
    let request = v1::UpdateAggregateRequest {
        r#type: "guild".into(),
        id: format!("g{guild}"),
        create_missing: true,
        change: Some(Change::Operations(v1::Operations { operations: vec![operation] })),
        idempotency_key: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    while let Err(error) = client.update_aggregate(request.clone()).await {
        assert!(error.transport, "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// So many acknowledged writes over all guilds, side by side.
async fn write(client: &Client, each: usize) {
    let writes = (0..GUILDS).map(async |guild| {
        for _ in 0..each {
            increment(client, guild).await;
        }
    });
    futures::future::join_all(writes).await;
}

/// The ids of all events of the log, by stream.
async fn recorded(client: &Client) -> BTreeMap<String, Vec<String>> {
    let mut recorded = BTreeMap::new();
    for guild in 0..GUILDS {
        let request = v1::ListEventsRequest {
            r#type: "guild".into(),
            id: format!("g{guild}"),
            limit: 10_000,
            ..Default::default()
        };
        let events = client.list_events(request).await.unwrap().events;
        let ids = events.into_iter().map(|event| event.event_id).collect();
        recorded.insert(format!("guild/g{guild}"), ids);
    }
    recorded
}

/// What was published is what is recorded.
async fn compare(client: &Client, events: &Events) {
    let ids =
        |events: &Vec<v1::AggregateEvent>| events.iter().map(|e| e.event_id.clone()).collect();
    let published: BTreeMap<String, Vec<String>> =
        events.new.iter().map(|(stream, events)| (stream.clone(), ids(events))).collect();
    assert_eq!(published, recorded(client).await);
}

async fn metric(world: &World, name: &str) -> f64 {
    let text = http::get(&world.address(), "/metrics").await.unwrap().text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_is_an_event_of_the_topic() {
    let (brokers, topic) = (brokers().await, topic());
    let mut world = world(&brokers, &topic).build().unwrap();
    world.start().await.unwrap();
    let client = world.client().await.unwrap();
    write(&client, 50).await;
    let mut events = Events::default();
    Reader::open(&brokers, &topic).read(&mut events, GUILDS * 50).await;
    compare(&client, &events).await;
    assert_eq!(events.repeated, 0);
    let ready = http::get(&world.address(), "/ready").await.unwrap().json();
    assert_eq!(ready["checks"]["kafka"]["status"], "healthy", "{ready}");
    // What the reader sees may be a moment ahead of its acknowledgement.
    while metric(&world, "gamemesh_outbox_lag_events{lane=\"0\"}").await > 0.0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(metric(&world, "gamemesh_outbox_published_total").await, (GUILDS * 50) as f64);
    // A restart goes on at the cursor: nothing comes twice after an orderly stop.
    world.stop().await.unwrap();
    world.start().await.unwrap();
    write(&world.client().await.unwrap(), 2).await;
    let mut again = Events::default();
    Reader::open(&brokers, &topic).read(&mut again, GUILDS * 52).await;
    assert_eq!(again.repeated, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_what_rest_answers_and_large_events_are_claims() {
    let (brokers, topic) = (brokers().await, topic());
    let builder = world(&brokers, &topic).env("KAFKA_FORMAT", "json");
    let mut world = builder.env("KAFKA_MESSAGE_BYTES", "64KiB").build().unwrap();
    world.start().await.unwrap();
    let state = r#"{"motto": "на \"коне\"\n", "level": 4, "half": 0.5, "list": [1, null, true, {"a": -2}]}"#;
    let put = |state: &str| {
        let ran = world.cli(&["state", "put", "guild", "g", state]).unwrap();
        assert_eq!(ran.exit, 0, "{ran:?}");
    };
    put(state);
    put(&format!(r#"{{"mottos": [{}]}}"#, vec![format!("\"{}\"", "x".repeat(900)); 100].join(",")));
    let reader = Reader::open(&brokers, &topic);
    let (small, large) = (reader.next().await, reader.next().await);
    let path = "/api/v1/state/aggregates/guild/g/events";
    let rest = http::get(&world.address(), path).await.unwrap().json();
    let mut rest = rest["events"].as_array().unwrap().clone();
    let json = |payload: &[u8]| serde_json::from_slice::<serde_json::Value>(payload).unwrap();
    // A number's fraction of zero is not written everywhere.
    assert_eq!(canonical(json(&small.payload)), canonical(rest[0].clone()));
    assert!(small.headers.json && !small.headers.claim_check && large.headers.claim_check);
    rest[1].as_object_mut().unwrap().remove("data");
    assert_eq!(canonical(json(&large.payload)), canonical(rest[1].clone()));
}

fn canonical(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, canonical(v))).collect(),
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_the_cursor_repeats_a_suffix_and_nothing_else() {
    let (brokers, topic) = (brokers().await, topic());
    let mut world = world(&brokers, &topic).build().unwrap();
    world.set_fault(Some("relay.before_cursor:2".to_owned()));
    world.start().await.unwrap();
    let client = world.client_with(patient()).await.unwrap();
    let load = tokio::spawn(async move {
        write(&client, 100).await;
        client
    });
    assert!(world.wait(PATIENCE).await.unwrap().is_some(), "the point is not passed");
    world.set_fault(None);
    world.start().await.unwrap();
    let client = load.await.unwrap();
    let mut events = Events::default();
    let reader = Reader::open(&brokers, &topic);
    reader.read(&mut events, GUILDS * 100).await;
    compare(&client, &events).await;
    assert!(events.repeated > 0, "what was published before its cursor comes again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_of_one_store_take_turns() {
    let servers = tokio::task::spawn_blocking(|| Servers::start(&["postgres"])).await.unwrap();
    let (brokers, topic, url) = (brokers().await, topic(), servers.url("POSTGRES_URL"));
    let instance = || {
        let builder = world(&brokers, &topic).database_url(url.as_str());
        builder.env("POSTGRES_MAX_CONNS", "20").build().unwrap()
    };
    let (mut first, mut second) = (instance(), instance());
    first.start().await.unwrap();
    second.start().await.unwrap();
    let clients =
        [first.client_with(patient()).await.unwrap(), second.client_with(patient()).await.unwrap()];
    tokio::join!(write(&clients[0], 40), write(&clients[1], 40));
    let mut events = Events::default();
    let reader = Reader::open(&brokers, &topic);
    reader.read(&mut events, GUILDS * 80).await;
    // Whichever relayed, the other goes on.
    first.kill9();
    write(&clients[1], 40).await;
    first.start().await.unwrap();
    second.kill9();
    write(&clients[0], 40).await;
    reader.read(&mut events, GUILDS * 160).await;
    compare(&clients[0], &events).await;
}
