//! More than the server takes: it says so, and loses nothing that it took.

use std::time::Duration;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_stats::StatsConfig;
use serde_json::{Value, json};

use super::sample::{kill, placed};
use super::world::{Setting, World};

async fn small() -> World {
    let config = StatsConfig { ingest_bytes_max: 64 << 10, ..StatsConfig::default() };
    World::with(Setting { config, ..Setting::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_who_is_turned_away_is_told_when_to_come_again_and_nothing_is_lost() {
    let world = small().await;
    let requests = (0..40).map(|request| {
        let world = &world;
        async move {
            let events: Vec<_> =
                (0..200).map(|n| kill("m", &format!("{request}-{n}"), n, "a", "b")).collect();
            let body = Value::Array(events).to_string();
            let headers = [("content-type", "application/json")];
            let mut turned_away = 0;
            loop {
                let answer = world.http("POST", "events", &headers, body.clone()).await;
                match answer.status {
                    200 => return turned_away,
                    429 => {
                        assert!(answer.headers.contains_key("retry-after"));
                        turned_away += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => panic!("{other}: {:?}", answer.body),
                }
            }
        }
    });
    let turned_away: u32 = futures::future::join_all(requests).await.into_iter().sum();
    assert!(turned_away > 0, "the budget was never used up");
    assert_eq!(world.get("matches/m").await["version"], "8000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_waits_instead() {
    let world = small().await;
    let mut client = world.client().await;
    let requests = (0..100_u64).map(|part| pb::IngestEventsRequest {
        events: (0..300).map(|n| placed("m", (part * 300 + n) as i64, "a", "b")).collect(),
        producer_id: "p".to_owned(),
        epoch: 0,
        first_sequence: part * 300 + 1,
    });
    let requests: Vec<_> = requests.collect();
    let summary = client.ingest_events(tokio_stream::iter(requests)).await.unwrap().into_inner();
    assert_eq!(summary.tally.unwrap().counted, 30_000);
    assert_eq!(summary.durable_sequence, 30_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_samplable_is_shed_and_that_is_told() {
    let world = small().await;
    let event = |request: usize, n: i64| {
        let mut event = kill("m", &format!("{request}-{n}"), n, "a", "b");
        event["samplable"] = json!(true);
        event
    };
    let mut client = world.client().await;
    let mut tally = pb::EventTally::default();
    let mut tasks = Vec::new();
    for request in 0..60 {
        let mut client = client.clone();
        let events: Vec<_> = (0..150)
            .map(|n| {
                let mut event = placed("m", n, "a", "b");
                event.event_id = event_id(request, n);
                event.samplable = true;
                event
            })
            .collect();
        tasks.push(tokio::spawn(async move {
            let request = pb::IngestBatchRequest { events, ..Default::default() };
            client.ingest_batch(request).await.unwrap().into_inner().tally.unwrap()
        }));
    }
    for task in tasks {
        let more = task.await.unwrap();
        tally.counted += more.counted;
        tally.shed += more.shed;
    }
    assert_eq!(tally.counted + tally.shed, 60 * 150);
    let stats = client.get_system_stats(pb::GetSystemStatsRequest {}).await.unwrap().into_inner();
    assert_eq!((stats.shed, stats.events_processed), (tally.shed, tally.counted));
    assert!(["counted", "late"].contains(&world.post(&[event(99, 0)]).await[0].as_str()));
}

fn event_id(request: usize, n: i64) -> String {
    format!("{request}-{n}")
}
