//! The engine: events to the log, from the log to the shards, from the shards to readers.
//!
//! The log decides. What is offered to it by any instance, any number of times, is counted in the order of
//! the log, so that every instance that reads it comes to the same state; an event is a repetition if it
//! stands in the log before. Nothing is counted before it is durable.

mod archive;
pub(crate) mod cells;
pub(crate) mod ingest;
mod keeper;
mod lane;
pub(crate) mod open;
pub(crate) mod owners;
mod part;
pub(crate) mod producers;
mod shard;
mod shared;
pub(crate) mod standings;
mod summary;
pub(crate) mod throughput;
mod windows;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_bus::Consumers;
use gamemesh_cache::L2;
use gamemesh_domain::stats::{Cause, Figure, MatchView, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::OwnedLanes;
use gamemesh_repository::{EventLog, Lane, Position, StatsTables, StreamName};
use gamemesh_rpc::clock::Clock;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use self::cells::Cells;
use self::lane::LaneQueue;
use self::owners::Owners;
use self::producers::Producers;
use self::shard::Work;
use self::shared::Shared;
use self::standings::Standings;
use self::throughput::Throughput;
use self::windows::FrozenWindows;
use self::writer::Submission;
use crate::StatsConfig;
use crate::metrics::StatsMetrics;

/// How long a reader waits for boards to follow the matches.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// What the engine stands on.
#[derive(Clone)]
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub tables: Arc<dyn StatsTables>,
    /// Where events come from beside the requests.
    pub consumers: Option<Arc<dyn Consumers>>,
    /// The cache that other readers look into, if there is one.
    pub shared: Option<Arc<dyn L2>>,
    /// What an instance needs to own matches beside others; `None`: every match is this process's.
    pub lanes: Option<OwnedLanes>,
}

pub(crate) struct Engine {
    pub(crate) config: StatsConfig,
    pub(crate) clock: Clock,
    pub(crate) metrics: StatsMetrics,
    pub(crate) cells: Cells,
    pub(crate) producers: Producers,
    pub(crate) standings: Standings,
    frozen: FrozenWindows,
    pub(crate) throughput: Throughput,
    pub(crate) started: Instant,
    shared: Shared,
    log: Arc<dyn EventLog>,
    tables: Arc<dyn StatsTables>,
    /// One permit is a KiB between producers and the log.
    permits: Arc<Semaphore>,
    /// The same for what other instances bring.
    guest_permits: Arc<Semaphore>,
    pub(crate) owners: Option<Owners>,
    writers: Vec<mpsc::Sender<Submission>>,
    lanes: Vec<LaneQueue>,
    shards: Vec<mpsc::Sender<Work>>,
    /// Bytes of the matches of each shard.
    memory: Vec<AtomicU64>,
    /// What each shard was handed, and how much of it the boards know.
    work: Vec<ShardWork>,
    reads: AtomicU64,
    reads_at_hand: AtomicU64,
}

/// Parts of blocks, by their number.
#[derive(Debug, Default)]
struct ShardWork {
    /// Handed to the shard, or about to be.
    handed: AtomicU64,
    /// Counted, and told to the boards.
    published: AtomicU64,
}

impl ShardWork {
    fn is_published(&self) -> bool {
        self.published.load(Ordering::Acquire) >= self.handed.load(Ordering::Acquire)
    }
}

impl Engine {
    /// The lane that a match's events are in.
    pub(crate) fn lane_of(&self, match_id: &Name) -> Lane {
        StreamName::new("match", match_id.as_str()).lane(self.log.lanes())
    }

    pub(crate) fn has_lane(&self, lane: Lane) -> bool {
        lane.0 < self.log.lanes()
    }

    /// The shard that counts a match.
    fn shard_of(&self, match_id: &str) -> usize {
        let hash = match_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        (hash >> 33) as usize % self.shards.len()
    }

    /// A match with everything that this instance has acknowledged, or as it is at hand if it need not
    /// be newer than `max_age`.
    pub(crate) async fn view(&self, id: &str, max_age: Option<Duration>) -> Result<Arc<MatchView>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if let Some(view) = self.cells.get(id).and_then(|cell| cell.at_hand(max_age)) {
            self.reads_at_hand.fetch_add(1, Ordering::Relaxed);
            return Ok(view);
        }
        self.ask(id, |reply| Work::View { id: id.to_owned(), version: None, reply }).await?
    }

    /// A match as it was when it had counted so many events.
    pub(crate) async fn view_at(&self, id: &str, version: u64) -> Result<Arc<MatchView>> {
        self.ask(id, |reply| Work::View { id: id.to_owned(), version: Some(version), reply })
            .await?
    }

    /// The events that made a player's figures of a match.
    pub(crate) async fn explain(
        &self,
        id: &str,
        player: &str,
        figures: &'static [Figure],
    ) -> Result<Vec<Cause>> {
        let player = player.to_owned();
        self.ask(id, |reply| Work::Explain { id: id.to_owned(), player, figures, reply }).await?
    }

    /// Waits until totals and boards have everything that is counted, but not for ever.
    pub(crate) async fn settle(&self) {
        if tokio::time::timeout(SETTLE_MAX, self.settle_fully()).await.is_err() {
            tracing::debug!("boards are behind the matches");
        }
    }

    async fn settle_fully(&self) {
        let mut answers = Vec::new();
        for (shard, work) in self.shards.iter().zip(&self.work) {
            if work.is_published() {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            if shard.send(Work::Publish { reply }).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // A shard that has ended has nothing to publish.
            let _ = answer.await;
        }
        self.standings.settled().await;
    }

    async fn ask<T>(&self, id: &str, work: impl FnOnce(oneshot::Sender<T>) -> Work) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let shard = &self.shards[self.shard_of(id)];
        let ended = || Error::new(Code::NotServing, "the server is draining");
        shard.send(work(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }

    /// The last position of a lane that was handed to the shards.
    fn handed(&self, lane: Lane) -> Position {
        self.lanes[usize::from(lane.0)].handed()
    }

    /// Share of reads that needed no work of a shard.
    pub(crate) fn hit_ratio(&self) -> f64 {
        let reads = self.reads.load(Ordering::Relaxed).max(1);
        self.reads_at_hand.load(Ordering::Relaxed) as f64 / reads as f64
    }

    /// Brings the gauges up to date.
    pub(crate) fn look(&self) {
        let metrics = &self.metrics;
        metrics.matches_active.set(self.cells.active().len() as i64);
        metrics.cache_hit_ratio.set(self.hit_ratio());
        metrics.queue_bytes.set(self.queue_bytes() as i64);
        metrics.lag_blocks.set(self.lag_blocks() as i64);
        let memory = self.memory.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum::<u64>();
        metrics.memory_bytes.set(memory as i64);
    }

    /// Events' bytes between producers and the log.
    fn queue_bytes(&self) -> usize {
        self.config.ingest_bytes_max - (self.permits.available_permits() << 10)
    }

    /// Blocks of the log that are not counted.
    fn lag_blocks(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lag(&*self.log)).sum()
    }

    pub(crate) fn workers(&self) -> usize {
        self.shards.len()
    }
}

pub(crate) fn unknown_match(id: &str) -> Error {
    Error::new(Code::NotFound, "nothing is known of this match").with_fact("matchId", id)
}
