//! A shard that is held: it waits for a match that the database does not give out. Memory stays within its
//! budget, producers wait, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_bus::{Consumers, LocalBus, Message, Publisher as _};
use gamemesh_repository::{
    FrozenRow, Lane, LogError, MatchStatsRow, MatchSummaryRow, StatsProgress, StatsTables,
    StatsWrite,
};
use gamemesh_stats::StatsConfig;
use serde_json::Value;

use super::sample::{end, kill, placed};
use super::world::{Setting, World};

/// Bytes between producers and the log.
const BUDGET: usize = 1 << 20;
/// Clients that send requests and try again, and the requests of each.
const CLIENTS: usize = 24;
const MATCHES: [&str; CLIENTS] = [
    "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14",
    "m15", "m16", "m17", "m18", "m19", "m20", "m21", "m22", "m23",
];
const REQUESTS: usize = 6;
/// Events of one request.
const EVENTS: usize = 400;

/// Tables of which no match can be read while they are held.
struct Held {
    tables: Arc<dyn StatsTables>,
    holding: Holding,
}

#[derive(Clone, Default)]
pub(super) struct Holding {
    pub(super) is_held: Arc<AtomicBool>,
    /// Somebody waits for a match.
    pub(super) is_asked: Arc<AtomicBool>,
}

#[async_trait]
impl StatsTables for Held {
    async fn stats_progress(&self, lane: Lane) -> Result<StatsProgress, LogError> {
        self.tables.stats_progress(lane).await
    }

    async fn write_stats(&self, write: StatsWrite) -> Result<(), LogError> {
        self.tables.write_stats(write).await
    }

    async fn match_state_bytes(&self, match_id: &str) -> Result<Option<Bytes>, LogError> {
        while self.holding.is_held.load(Ordering::Acquire) {
            self.holding.is_asked.store(true, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.tables.match_state_bytes(match_id).await
    }

    async fn match_stats(&self, match_id: &str) -> Result<Option<MatchStatsRow>, LogError> {
        self.tables.match_stats(match_id).await
    }

    async fn match_summaries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MatchSummaryRow>, LogError> {
        self.tables.match_summaries(after, limit).await
    }

    async fn freeze(&self, window: &str, rows: Vec<FrozenRow>) -> Result<(), LogError> {
        self.tables.freeze(window, rows).await
    }

    async fn frozen_windows(&self) -> Result<Vec<String>, LogError> {
        self.tables.frozen_windows().await
    }

    async fn frozen_window(&self, window: &str) -> Result<Option<Vec<FrozenRow>>, LogError> {
        self.tables.frozen_window(window).await
    }

    async fn forget_frozen(&self, windows: Vec<String>) -> Result<(), LogError> {
        self.tables.forget_frozen(windows).await
    }
}

/// A service with one shard, whose match `old` has left the memory: once the tables are held, who tells of it
/// waits, and so does everybody behind him.
pub(super) async fn holding(
    holding: Holding,
    consumers: Arc<dyn Consumers>,
    ingest_bytes_max: usize,
) -> World {
    let world = World::with(Setting {
        config: StatsConfig {
            workers: 1,
            ingest_bytes_max,
            evict_after: Duration::from_millis(50),
            ..StatsConfig::default()
        },
        consumers: Some(consumers),
        tables: Some(Arc::new(move |tables| Arc::new(Held { tables, holding: holding.clone() }))),
        ..Setting::default()
    })
    .await;
    world.post(&[kill("old", "e0", 0, "a", "b"), end("old", "end", 9, "a")]).await;
    until(&world, "match_stats_memory_bytes", |bytes| bytes > 0.0).await;
    until(&world, "match_stats_memory_bytes", |bytes| bytes == 0.0).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_shard_keeps_to_its_budget_and_loses_nothing() {
    let hold = match std::env::var_os("GAMEMESH_FAULT_ROUNDS") {
        Some(_) => Duration::from_secs(30),
        None => Duration::from_secs(3),
    };
    let tables = Holding::default();
    let bus = LocalBus::new();
    let world = holding(tables.clone(), Arc::new(bus.clone()), BUDGET).await;
    let is_held = tables.is_held;
    is_held.store(true, Ordering::Release);

    let load = async {
        let clients = (0..CLIENTS).map(|client| send(&world, MATCHES[client], REQUESTS, EVENTS));
        let stream = stream(&world);
        let late = send(&world, "old", 1, 1);
        let published = publish(&bus);
        let (turned_away, (), _, ()) =
            tokio::join!(futures::future::join_all(clients), stream, late, published);
        turned_away.into_iter().sum::<u32>()
    };
    let watched = async {
        let (began, mut most, mut passes) = (Instant::now(), 0.0_f64, 0);
        while began.elapsed() < hold {
            most = most.max(world.metric("match_stats_queue_bytes").await);
            passes += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let processed = world.metric("match_stats_events_processed_total").await;
        is_held.store(false, Ordering::Release);
        assert!(passes > 5);
        (most, processed)
    };
    let (turned_away, (most, processed)) = tokio::join!(load, watched);
    assert!(turned_away > 0, "the budget was never used up");
    assert!(most <= BUDGET as f64, "{most} bytes are more than {BUDGET}");
    assert!(most > BUDGET as f64 / 2.0, "{most} bytes are no load");
    // The two of the beginning, and what was counted before the shard came to the match.
    let all = (CLIENTS * REQUESTS * EVENTS + 40 * 250 + 2_000 + 3) as f64;
    assert!(processed < all, "the shard was not held");
    let began = Instant::now();
    loop {
        let counted = world.metric("match_stats_events_processed_total").await;
        if counted == all {
            break;
        }
        assert!(counted < all && began.elapsed() < Duration::from_secs(30), "{counted} of {all}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in MATCHES {
        let shown = world.get(&format!("matches/{id}")).await;
        assert_eq!(shown["version"], (REQUESTS * EVENTS).to_string());
    }
    assert_eq!(world.get("matches/bus").await["version"], "2000");
    assert_eq!(world.get("matches/streamed").await["version"], "10000");
    assert_eq!(world.get("matches/old").await["version"], "3");
    until(&world, "match_stats_queue_bytes", |bytes| bytes == 0.0).await;
}

/// A gauge follows within a second.
pub(super) async fn until(world: &World, metric: &str, is_so: impl Fn(f64) -> bool) {
    let began = Instant::now();
    while !is_so(world.metric(metric).await) {
        assert!(began.elapsed() < Duration::from_secs(60), "{metric}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Requests one after the other, each until it is taken; how often one was turned away.
async fn send(world: &World, id: &str, requests: usize, events: usize) -> u32 {
    let mut turned_away = 0;
    for request in 0..requests {
        let events: Vec<_> =
            (0..events).map(|n| kill(id, &format!("{request}-{n}"), n as i64, "a", "b")).collect();
        let body = Value::Array(events).to_string();
        loop {
            let headers = [("content-type", "application/json")];
            let answer = world.http("POST", "events", &headers, body.clone()).await;
            match answer.status {
                200 => break,
                429 => {
                    assert!(answer.headers.contains_key("retry-after"));
                    turned_away += 1;
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
                other => panic!("{other}: {:?}", answer.body),
            }
        }
    }
    turned_away
}

async fn stream(world: &World) {
    use gamemesh_contracts::stats::v1 as pb;
    let requests = (0..40_u64).map(|part| pb::IngestEventsRequest {
        events: (0..250).map(|n| placed("streamed", (part * 250 + n) as i64, "a", "b")).collect(),
        producer_id: "p".to_owned(),
        epoch: 1,
        first_sequence: part * 250 + 1,
    });
    let requests: Vec<_> = requests.collect();
    let mut client = world.client().await;
    let summary = client.ingest_events(tokio_stream::iter(requests)).await.unwrap().into_inner();
    assert_eq!(summary.tally.unwrap().counted, 10_000);
}

async fn publish(bus: &LocalBus) {
    let topics = [Arc::from("game.match.events")];
    bus.has_subscribers(&topics).wait_for(|reads| *reads).await.unwrap();
    let mut session = bus.session().await.unwrap();
    for first in (0..2_000_u64).step_by(100) {
        let message = |n: u64| Message {
            topic: "game.match.events".into(),
            key: Bytes::from("m"),
            payload: Bytes::from(kill("bus", &format!("e{n}"), n as i64, "a", "b").to_string()),
            headers: Vec::new(),
            lane: 0,
            position: n + 1,
        };
        session.publish((first..first + 100).map(message).collect()).await.await.unwrap();
    }
}
