//! Death of the server while producers send events: the checker knows only what they were told. What was
//! acknowledged is there, and nothing is there twice, though every producer sends again from where it
//! pleases.
//!
//! `GAMEMESH_FAULT_ROUNDS` is how often it dies; `make fault-test` sets it.

use std::time::Duration;

use gamemesh_client::stats_v1::{self as v1, match_event::Data};
use gamemesh_client::{ClientOptions, StatsClient};
use gamemesh_testkit::World;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Deaths in a run that does not say how many.
const ROUNDS: u32 = 10;
const PRODUCERS: u64 = 4;
const MATCHES: u64 = 3;
/// Events of one request.
const BATCH: u64 = 20;
const BEGIN_S: i64 = 1_767_225_600;

/// Where the server dies; `None`: at a random moment, by SIGKILL.
const POINTS: [Option<&str>; 5] = [
    None,
    Some("sqlite.before_commit"),
    Some("sqlite.after_commit"),
    Some("sqlite.mid_stats"),
    Some("sqlite.mid_checkpoint"),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_crash_loses_nothing_and_doubles_nothing() {
    let rounds = std::env::var("GAMEMESH_FAULT_ROUNDS")
        .map_or(ROUNDS, |text| text.parse().expect("GAMEMESH_FAULT_ROUNDS is a number"));
    let mut world = World::standalone().await.unwrap();
    let mut producers: Vec<Producer> =
        (0..PRODUCERS).map(|number| Producer { number, told: 0, sent: 0 }).collect();
    for round in 0..rounds {
        let point = POINTS[round as usize % POINTS.len()];
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
            check(&client, producer).await;
        }
    }
    assert!(producers.iter().all(|producer| producer.told > 0), "nobody got anywhere");
}

/// Sends until the server is gone.
async fn produce(url: String, mut producer: Producer) -> Producer {
    let Ok(client) = client(&url).await else { return producer };
    let asked = v1::GetResumePointRequest { producer_id: name(producer.number) };
    let Ok(point) = client.calls().get_resume_point(asked).await else { return producer };
    let durable = point.into_inner().durable_sequence;
    assert!(durable >= producer.told, "{durable} of what was told to be {}", producer.told);
    producer.told = durable;
    // Some of what is durable is sent again.
    let mut next = (durable + 1).saturating_sub(random(3 * BATCH)).max(1);
    let (sender, receiver) = mpsc::channel(4);
    let opened = client.streams().ingest_channel(ReceiverStream::new(receiver)).await;
    let Ok(opened) = opened else { return producer };
    let mut acks = opened.into_inner();
    loop {
        tokio::select! {
            permit = sender.reserve() => {
                let Ok(permit) = permit else { return producer };
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
                _ => return producer,
            },
        }
    }
}

/// The sum over all matches is what is durable, to the event.
async fn check(client: &StatsClient, producer: &Producer) {
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
    assert_eq!(u64::from(kills), durable, "producer {}", producer.number);
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
