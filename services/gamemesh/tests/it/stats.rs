//! Death of the server while producers send events: the checker knows only what they were told. What was
//! acknowledged is there, and nothing is there twice, though every producer sends again from where it
//! pleases.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how often it dies; `make fault-test` sets it.

mod kafka;
mod owners;

use std::time::Duration;

use gamemesh_client::stats_v1::{self as v1, match_event::Data};
use gamemesh_client::{ClientOptions, StatsClient};
use gamemesh_testkit::World;
use gamemesh_testkit::postgres::Postgres;
use gamemesh_testkit::redis::Redis;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Deaths in a run that does not say how many.
const ROUNDS: u32 = 5;
const PRODUCERS: u64 = 4;
const MATCHES: u64 = 3;
/// Events of one request.
const BATCH: u64 = 20;
const BEGIN_S: i64 = 1_767_225_600;

/// Where the server dies; `None`: at a random moment, by SIGKILL.
const SQLITE: [Option<&str>; 5] = [
    None,
    Some("sqlite.before_commit"),
    Some("sqlite.after_commit"),
    Some("sqlite.mid_stats"),
    Some("sqlite.mid_checkpoint"),
];
const POSTGRES: [Option<&str>; 4] = [
    None,
    Some("postgres.before_commit"),
    Some("postgres.after_commit"),
    Some("postgres.mid_stats"),
];

/// What a producer was told.
#[derive(Clone, Copy)]
struct Producer {
    number: u64,
    /// Events up to here are durable.
    told: u64,
    /// Events up to here were sent, at least in part.
    sent: u64,
}

fn rounds(usual: u32) -> u32 {
    std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(usual, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_crash_loses_nothing_and_doubles_nothing() {
    crash(World::builder().services("stats").build().unwrap(), &SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_crash_on_postgres_loses_nothing_and_doubles_nothing() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap().unwrap();
    let world = World::builder().services("stats").database_url(postgres.url());
    // What was the owner and is dead leaves its lanes soon.
    let world = world.env("LANES", "owned").env("LANE_LEASE", "1s");
    crash(world.build().unwrap(), &POSTGRES).await;
}

async fn crash(mut world: World, points: &[Option<&str>]) {
    let mut producers: Vec<Producer> =
        (0..PRODUCERS).map(|number| Producer { number, told: 0, sent: 0 }).collect();
    for round in 0..rounds(ROUNDS.min(points.len() as u32)) {
        let point = points[round as usize % points.len()];
        world.kill9();
        world.set_fault(point.map(|point| format!("{point}:{}", 1 + random(20))));
        if world.start().await.is_err() {
            world.set_fault(None);
            world.start().await.unwrap();
        }
        let tasks: Vec<_> = producers
            .iter()
            .map(|producer| tokio::spawn(produce(world.url(), *producer)))
            .collect();
        let pause = Duration::from_millis(300 + random(900));
        let _ = world.wait(pause).await;
        world.kill9();
        for (producer, task) in producers.iter_mut().zip(tasks) {
            *producer = task.await.unwrap();
        }
        world.set_fault(None);
        world.start().await.unwrap();
        let client = client(&world.url()).await.unwrap();
        for producer in &producers {
            bounded(&client, producer).await;
        }
        // Alive, so that it gets further than the deaths let it.
        let alive: Vec<_> = producers
            .iter()
            .map(|producer| tokio::spawn(produce(world.url(), *producer)))
            .collect();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        world.kill9();
        for (producer, task) in producers.iter_mut().zip(alive) {
            *producer = task.await.unwrap();
        }
    }
    assert!(producers.iter().all(|producer| producer.told > 0), "nobody got anywhere");
    // Everybody sends again what he was not told of; then it is to the event.
    world.start().await.unwrap();
    let client = client(&world.url()).await.unwrap();
    for producer in &mut producers {
        let mut next = producer.told + 1;
        while next <= producer.sent {
            // Many at once: what was in the buffers between them may be a lot.
            let firsts = (next..next + 50 * BATCH).step_by(BATCH as usize);
            let again = v1::IngestBatchRequest {
                events: firsts.flat_map(|first| request(producer.number, first).events).collect(),
                producer_id: name(producer.number),
                epoch: 1,
                first_sequence: next,
                every_result: false,
            };
            client.calls().ingest_batch(again).await.unwrap();
            next += 50 * BATCH;
        }
        producer.sent = producer.sent.max(next - 1);
        check(&client, producer).await;
    }
}

/// Redis has copies only: without them every answer is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_changes_no_answer_of_stats() {
    let redis = tokio::task::spawn_blocking(Redis::start).await.unwrap().unwrap();
    let mut world =
        World::builder().services("stats").env("REDIS_URL", redis.url()).build().unwrap();
    world.start().await.unwrap();
    let producing = tokio::spawn(produce(world.url(), Producer { number: 0, told: 0, sent: 0 }));
    tokio::time::sleep(Duration::from_millis(600)).await;
    redis.flush().unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    world.pause(true).unwrap();
    redis.flush().unwrap();
    world.pause(false).unwrap();
    let client = client(&world.url()).await.unwrap();
    producing.abort();
    let _ = producing.await;
    let answers = async || {
        let mut answers = Vec::new();
        for number in 0..MATCHES {
            let asked =
                v1::GetMatchRequest { match_id: format!("m{number}"), ..Default::default() };
            answers.push(client.calls().get_match(asked).await.unwrap().into_inner());
        }
        answers
    };
    // What was on its way is counted.
    let mut before = answers().await;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = answers().await;
        if now == before {
            break;
        }
        before = now;
    }
    let copies = || redis.command(&["DBSIZE"]).unwrap();
    assert_ne!(copies().trim(), "0", "matches are in Redis");
    redis.flush().unwrap();
    assert_eq!(answers().await, before);
    redis.kill().unwrap();
    assert_eq!(answers().await, before);
}

/// Sends until the server is gone.
async fn produce(url: String, mut producer: Producer) -> Producer {
    drive(&url, &mut producer).await;
    producer
}

/// The same for a caller who may stop it: what was told and sent by then stands in the producer.
async fn drive(url: &str, producer: &mut Producer) {
    let Ok(client) = client(url).await else { return };
    let asked = v1::GetResumePointRequest { producer_id: name(producer.number) };
    let Ok(point) = client.calls().get_resume_point(asked).await else { return };
    let durable = point.into_inner().durable_sequence;
    assert!(durable >= producer.told, "{durable} of what was told to be {}", producer.told);
    producer.told = durable;
    // Some of what is durable is sent again.
    let mut next = (durable + 1).saturating_sub(random(3 * BATCH)).max(1);
    let (sender, receiver) = mpsc::channel(4);
    let opened = client.streams().ingest_channel(ReceiverStream::new(receiver)).await;
    let Ok(opened) = opened else { return };
    let mut acks = opened.into_inner();
    loop {
        tokio::select! {
            permit = sender.reserve() => {
                let Ok(permit) = permit else { return };
                permit.send(request(producer.number, next));
                next += BATCH;
                producer.sent = producer.sent.max(next - 1);
            }
            ack = acks.message() => match ack {
                Ok(Some(ack)) => {
                    let tally = ack.tally.unwrap_or_default();
                    assert_eq!((tally.conflicts, tally.refused, tally.shed), (0, 0, 0));
                    producer.told = producer.told.max(ack.durable_sequence);
                }
                _ => return,
            },
        }
    }
}

/// What was told is there, and nothing twice. A death may come between events and the places that stand
/// behind them in another lane: then a little more is counted than the resume point knows.
async fn bounded(client: &StatsClient, producer: &Producer) {
    let (durable, kills) = counted(client, producer).await;
    assert!(durable <= kills && kills <= producer.sent, "{durable}, {kills}, {}", producer.sent);
}

/// The sum over all matches is what is durable, to the event.
async fn check(client: &StatsClient, producer: &Producer) {
    let (durable, kills) = counted(client, producer).await;
    assert_eq!(kills, durable, "producer {}", producer.number);
}

/// Places that are durable, and events that are counted.
async fn counted(client: &StatsClient, producer: &Producer) -> (u64, u64) {
    let asked = v1::GetResumePointRequest { producer_id: name(producer.number) };
    let point = client.calls().get_resume_point(asked).await.unwrap().into_inner();
    assert!(point.durable_sequence >= producer.told);
    assert!(point.highest_sequence <= producer.sent);
    let missing: u64 = point.missing.iter().map(|range| range.last - range.first + 1).sum();
    let durable = point.highest_sequence - missing;
    let asked = v1::GetPlayerRequest { player_id: name(producer.number), window: String::new() };
    let kills = match client.calls().get_player(asked).await {
        Ok(answer) => answer.into_inner().player.unwrap().kills,
        Err(status) if status.code() == tonic::Code::NotFound => 0,
        Err(status) => panic!("{status}"),
    };
    (durable, kills.into())
}

async fn client(url: &str) -> gamemesh_client::Result<StatsClient> {
    StatsClient::connect(url, &ClientOptions::default()).await
}

fn name(number: u64) -> String {
    format!("producer-{number}")
}

/// The same place always has the same event.
fn request(producer: u64, first: u64) -> v1::IngestChannelRequest {
    let events = (first..first + BATCH).map(|place| v1::MatchEvent {
        match_id: format!("m{}", place % MATCHES),
        player_id: name(producer),
        timestamp: Some(prost_types::Timestamp { seconds: BEGIN_S + place as i64, nanos: 0 }),
        data: Some(Data::Kill(v1::Kill::default())),
        ..Default::default()
    });
    v1::IngestChannelRequest {
        events: events.collect(),
        producer_id: name(producer),
        epoch: 1,
        first_sequence: first,
    }
}

fn random(below: u64) -> u64 {
    u64::from(uuid::Uuid::new_v4().as_u128() as u32) % below
}
