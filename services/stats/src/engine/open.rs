//! How the engine opens: what was kept is taken in, what came after it in the log is counted, and only
//! then anybody is served.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use gamemesh_domain::Result;
use gamemesh_domain::stats::Name;
use gamemesh_repository::{Lane, LogError};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::service::Task;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cells::Cells;
use super::lane::LaneQueue;
use super::owners::Owners;
use super::producers::Producers;
use super::shard::{Begin, Work};
use super::shared::Shared;
use super::standings::Standings;
use super::summary::Summary;
use super::throughput::Throughput;
use super::windows::FrozenWindows;
use super::{Engine, ShardWork, Stores, keeper, lane, shard, shared, standings, windows, writer};
use crate::StatsConfig;
use crate::metrics::StatsMetrics;

/// Blocks and questions that wait for a shard. The lane waits with what is more.
const SHARD_QUEUE_MAX: usize = 64;

/// Submissions that wait for the writer of a lane; their bytes are bounded by the permits.
const WRITER_QUEUE_MAX: usize = 4_096;

/// Summaries that are read at once.
const SUMMARIES_AT_ONCE: usize = 1_000;

/// Matches that go on are taken into memory at the start, so many of them; others when they are asked for.
const RECALLED_MAX: usize = 10_000;

/// The engine's tasks, and how they end: first what feeds the shards and what keeps their matches, then the
/// shards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    tasks: TaskTracker,
    stop: CancellationToken,
    counting: TaskTracker,
    end: CancellationToken,
}

impl Life {
    pub(crate) async fn end(self) {
        for (stop, tasks) in [(self.stop, self.tasks), (self.end, self.counting)] {
            stop.cancel();
            tasks.close();
            tasks.wait().await;
        }
    }
}

impl Engine {
    /// Opens the engine: everything that is in the log is counted when this returns. The tasks that work on
    /// it are to be supervised.
    pub(crate) async fn open(
        stores: Stores,
        config: StatsConfig,
        clock: Clock,
        metrics: StatsMetrics,
        owners: Option<Owners>,
        life: &Life,
    ) -> Result<(Arc<Self>, Vec<Task>)> {
        let (tasks, stop) = (&life.tasks, &life.stop);
        let Stores { log, tables, consumers: _, shared: l2, lanes: _ } = stores;
        let workers = config.workers.max(1);
        let lanes = (0..log.lanes()).map(Lane);
        let producers = Producers::default();
        let mut positions = Vec::new();
        for lane in lanes.clone() {
            let progress = tables.stats_progress(lane).await?;
            producers.restore(&progress.state).map_err(damaged)?;
            // A log that was put back from an older copy has less than the tables know of.
            positions.push(progress.position.min(*log.tail(lane).borrow()));
        }
        let (shard_queues, works): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel(SHARD_QUEUE_MAX)).unzip();
        let (writers, inboxes): (Vec<_>, Vec<_>) =
            lanes.clone().map(|_| mpsc::channel(WRITER_QUEUE_MAX)).unzip();
        let (shared, views) = Shared::new(l2.is_some());
        let engine = Arc::new(Self {
            permits: Arc::new(Semaphore::new(config.ingest_bytes_max >> 10)),
            guest_permits: Arc::new(Semaphore::new(config.ingest_bytes_max >> 10)),
            owners,
            cells: Cells::default(),
            producers,
            standings: Standings::new(config.season),
            frozen: FrozenWindows::default(),
            throughput: Throughput::default(),
            started: Instant::now(),
            lanes: lanes.clone().zip(&positions).map(|(l, p)| LaneQueue::new(l, *p)).collect(),
            memory: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            work: (0..workers).map(|_| ShardWork::default()).collect(),
            reads: AtomicU64::new(0),
            reads_at_hand: AtomicU64::new(0),
            shared,
            config,
            clock,
            metrics,
            log,
            tables,
            writers,
            shards: shard_queues,
        });
        let mut watched = Vec::new();
        let mut watch = |name, work| watched.push(Task::running(name, work));
        let (archived, go_on) = engine.take_in_kept(workers).await?;
        for ((number, work), archived) in works.into_iter().enumerate().zip(archived) {
            let begin = Begin { number, archived };
            watch(
                "stats shard",
                life.counting.spawn(shard::run(engine.clone(), begin, work, life.end.clone())),
            );
        }
        engine.recall(go_on).await;
        watch(
            "stats standings",
            life.counting.spawn(standings::run(engine.clone(), life.end.clone())),
        );
        for lane in lanes.clone() {
            watch("stats lane", tasks.spawn(lane::run(engine.clone(), lane, stop.clone())));
        }
        for lane in &engine.lanes {
            lane.caught_up(&engine, stop).await?;
        }
        engine.settle_fully().await;
        for ((lane, inbox), position) in lanes.zip(inboxes).zip(positions) {
            watch(
                "stats writer",
                tasks.spawn(writer::run(engine.clone(), lane, inbox, stop.clone())),
            );
            watch(
                "stats keeper",
                tasks.spawn(keeper::run(engine.clone(), lane, position, stop.clone())),
            );
        }
        watch("stats windows", tasks.spawn(windows::run(engine.clone(), stop.clone())));
        if let Some((l2, views)) = l2.zip(views) {
            watch(
                "stats shared cache",
                tasks.spawn(shared::run(engine.clone(), l2, views, stop.clone())),
            );
        }
        Ok((engine, watched))
    }

    /// Totals, boards and ratings of what was kept; the matches themselves stay in the tables. Answers
    /// what each shard has there, and the matches that go on.
    async fn take_in_kept(&self, workers: usize) -> Result<(Vec<HashSet<Name>>, Vec<Name>)> {
        let mut archived = vec![HashSet::new(); workers];
        let mut go_on = Vec::new();
        let mut after: Option<String> = None;
        // First, so that nothing is added up of what is closed.
        self.restore_windows().await?;
        loop {
            let rows = self.tables.match_summaries(after.as_deref(), SUMMARIES_AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.match_id.clone());
            let mut summaries = Vec::with_capacity(rows.len());
            for row in rows {
                let id = Name::parse("matchId", &row.match_id)?;
                let summary = Summary::decode(&id, row.version, &row.summary).map_err(damaged)?;
                if summary.goes_on && go_on.len() < RECALLED_MAX {
                    go_on.push(id.clone());
                }
                archived[self.shard_of(id.as_str())].insert(id);
                summaries.push(summary);
            }
            self.standings.take_in(summaries);
        }
        self.standings.totals.write().forget_old(self.clock.now_micros());
        Ok((archived, go_on))
    }

    async fn recall(&self, matches: Vec<Name>) {
        for id in matches {
            let (reply, view) = oneshot::channel();
            let work = Work::View { id: id.to_string(), version: None, reply };
            if self.shards[self.shard_of(id.as_str())].send(work).await.is_ok() {
                let _ = view.await;
            }
        }
    }
}

fn damaged(error: gamemesh_domain::stats::Truncated) -> gamemesh_domain::Error {
    LogError::Corrupted(error.to_string()).into()
}
