//! A lane: its blocks go to the shards in the order of the log, whoever has written them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Appends of this instance whose outcome is not known here yet.
    in_flight: AtomicUsize,
    /// Blocks that were read from the log meanwhile: one of them may be its own.
    read_back: Mutex<BTreeMap<Position, Arc<Block>>>,
    /// The last position that was handed to the shards.
    handed: watch::Sender<Position>,
    /// How many blocks the shards have counted.
    open: AtomicU64,
}

impl LaneQueue {
    /// A lane of which everything up to a position was counted before.
    pub(super) fn new(lane: Lane, position: Position) -> Self {
        Self {
            lane,
            offered: Mutex::default(),
            arrived: Notify::new(),
            in_flight: AtomicUsize::new(0),
            read_back: Mutex::default(),
            handed: watch::Sender::new(position),
            open: AtomicU64::new(0),
        }
    }

    /// An append is about to be sent.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// What became of an append: the block that it wrote, if it did. If the block was read back before,
    /// those who wait for it are told by that.
    pub(super) fn end(&self, block: Option<Block>) {
        if let Some(block) = block {
            let read_back = self.read_back.lock().remove(&block.position);
            match read_back {
                Some(read_back) => read_back.wait(block.finish()),
                None => drop(self.offered.lock().insert(block.position, Arc::new(block))),
            }
            self.arrived.notify_one();
        }
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.read_back.lock().clear();
        }
    }

    /// A block that was read from the log, unless it has been offered meanwhile.
    fn take_read(&self, block: Block) -> Arc<Block> {
        let mut read_back = self.read_back.lock();
        if let Some(offered) = self.offered.lock().remove(&block.position) {
            return offered;
        }
        let block = Arc::new(block);
        if self.in_flight.load(Ordering::Acquire) > 0 {
            read_back.insert(block.position, block.clone());
        }
        block
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

    /// The last position that was handed to the shards.
    pub(super) fn handed(&self) -> Position {
        *self.handed.borrow()
    }

    /// Waits until everything up to a position has gone to the shards.
    pub(super) async fn reached(&self, position: Position) {
        // The sender lives as long as `self`.
        let _ = self.handed.subscribe().wait_for(|handed| *handed >= position).await;
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
                false if queue.in_flight.load(Ordering::Acquire) > 0 => OTHERS_GRACE,
                false => Duration::ZERO,
            };
            if gap_since.get_or_insert_with(Instant::now).elapsed() >= grace {
                match read(&engine, lane, position).await {
                    Ok(blocks) => {
                        for block in blocks {
                            position = block.position;
                            hand_out(&engine, queue.take_read(block)).await;
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
        engine.work[shard].handed.fetch_add(1, Ordering::AcqRel);
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
    let waiters = block.finish();
    if let Some(first) = waiters.iter().map(|waiter| waiter.arrived).min() {
        let latency = first.elapsed();
        engine.metrics.latency.observe(latency.as_secs_f64());
        engine.throughput.note(block.content.events.len() as u64, latency);
    }
    for waiter in waiters {
        block.tell(waiter);
    }
}
