//! A lane: its blocks go to the shards in the order of the log, whoever has written them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EventLog, Lane, LogError, Position};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::shard::Work;
use crate::block::{Block, Content, KIND};

/// Blocks read from the log at once.
const READ_BLOCKS_MAX: usize = 16;

/// How long what this instance has written is waited for, before it is read back.
const OFFER_GRACE: Duration = Duration::from_millis(250);

/// How long what another instance has written is left to come, before the log is asked.
const OTHERS_GRACE: Duration = Duration::from_millis(2);

/// How long a log that did not answer is left alone.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What is written and not handed to the shards yet.
#[derive(Debug)]
pub(super) struct LaneQueue {
    lane: Lane,
    offered: Mutex<BTreeMap<Position, Arc<Block>>>,
    arrived: Notify,
    /// The last position that was handed to the shards.
    handed: watch::Sender<Position>,
    /// How many blocks the shards have counted.
    open: AtomicU64,
}

impl LaneQueue {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            offered: Mutex::default(),
            arrived: Notify::new(),
            handed: watch::Sender::new(0),
            open: AtomicU64::new(0),
        }
    }

    /// Takes a block that was just written here.
    pub(super) fn offer(&self, block: Arc<Block>) {
        if block.position > *self.handed.borrow() {
            self.offered.lock().insert(block.position, block);
            self.arrived.notify_one();
        }
    }

    /// Waits until everything that is in the log now has gone to the shards.
    pub(super) async fn caught_up(&self, engine: &Engine, stop: &CancellationToken) -> Result<()> {
        let end = *engine.log.tail(self.lane).borrow();
        let mut handed = self.handed.subscribe();
        tokio::select! {
            _ = handed.wait_for(|position| *position >= end) => Ok(()),
            () = stop.cancelled() => Err(Error::new(Code::NotServing, "the server is stopping")),
        }
    }

    /// Blocks that are in the log and not counted.
    pub(super) fn lag(&self, log: &dyn EventLog) -> u64 {
        let behind = log.tail(self.lane).borrow().saturating_sub(*self.handed.borrow());
        behind + self.open.load(Ordering::Relaxed)
    }
}

pub(super) async fn run(engine: Arc<Engine>, lane: Lane, stop: CancellationToken) {
    let queue = &engine.lanes[usize::from(lane.0)];
    let mut tail = engine.log.tail(lane);
    let mut position = *queue.handed.borrow();
    let written_before = *tail.borrow();
    let mut gap_since: Option<Instant> = None;
    loop {
        let next = queue.offered.lock().remove(&(position + 1));
        if let Some(block) = next {
            hand_out(&engine, block).await;
            position += 1;
            queue.handed.send_replace(position);
            gap_since = None;
            continue;
        }
        let end = *tail.borrow_and_update();
        if end > position {
            let own = engine
                .log
                .local_runs(lane, position)
                .is_some_and(|own| *own.start() == position + 1);
            let grace = match own {
                // Written before this process began: nobody will offer it.
                _ if position < written_before => Duration::ZERO,
                true => OFFER_GRACE,
                false => OTHERS_GRACE,
            };
            if gap_since.get_or_insert_with(Instant::now).elapsed() >= grace {
                match read(&engine, lane, position).await {
                    Ok(blocks) => {
                        for block in blocks {
                            position = block.position;
                            queue.offered.lock().retain(|at, _| *at > position);
                            hand_out(&engine, Arc::new(block)).await;
                            queue.handed.send_replace(position);
                        }
                        gap_since = None;
                    }
                    Err(error) => {
                        tracing::warn!(%error, lane = lane.0, "the log could not be read");
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                }
                continue;
            }
        }
        let wait = if end > position { OTHERS_GRACE } else { Duration::from_secs(3_600) };
        tokio::select! {
            () = queue.arrived.notified() => {}
            changed = tail.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn read(engine: &Engine, lane: Lane, after: Position) -> Result<Vec<Block>, LogError> {
    let events = engine.log.read_lane(lane, after, READ_BLOCKS_MAX).await?;
    events
        .into_iter()
        .map(|event| {
            let content = if &*event.kind == KIND {
                Content::decode(&event.data).map_err(|error| {
                    LogError::Corrupted(format!("{lane:?} {}: {error}", event.position))
                })?
            } else {
                Content::default()
            };
            Ok(Block::new(lane, event.position, event.time_us, content, Vec::new()))
        })
        .collect()
}

/// Gives every shard its part. The lane waits for shards that are behind.
async fn hand_out(engine: &Arc<Engine>, block: Arc<Block>) {
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); engine.shards.len()];
    for (index, event) in block.content.events.iter().enumerate() {
        parts[engine.shard_of(event.match_id.as_str())].push(index as u32);
    }
    // One for this task, so that no shard finds it done before all have got theirs.
    let shares = parts.iter().filter(|part| !part.is_empty()).count();
    block.open.store(shares + 1, Ordering::Release);
    engine.lanes[usize::from(block.lane.0)].open.fetch_add(1, Ordering::Relaxed);
    for (shard, part) in parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        // A shard that has ended answers nobody any more.
        let _ = engine.shards[shard].send(Work::Count { block: block.clone(), part }).await;
    }
    done(engine, &block);
}

/// A share of a block is counted; with the last, everybody is told.
pub(super) fn done(engine: &Engine, block: &Block) {
    if block.open.fetch_sub(1, Ordering::AcqRel) > 1 {
        return;
    }
    engine.lanes[usize::from(block.lane.0)].open.fetch_sub(1, Ordering::Relaxed);
    engine.producers.note(&block.content.runs, &block.content.offsets);
    let waiters = std::mem::take(&mut *block.waiters.lock());
    if let Some(first) = waiters.iter().map(|waiter| waiter.arrived).min() {
        let latency = first.elapsed();
        engine.metrics.latency.observe(latency.as_secs_f64());
        engine.throughput.note(block.content.events.len() as u64, latency);
    }
    for waiter in waiters {
        let _ = waiter.reply.send(block.fates(waiter.events));
    }
}
