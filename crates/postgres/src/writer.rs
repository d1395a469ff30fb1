//! The tasks that append.
//!
//! One task takes the appends as they come and gives each lane what waits for it as a batch; while
//! a lane's batch is on its way to the disk the next one gathers: the disk is the timer. A batch is
//! decided in memory, from what its lanes are known to hold, and written in one round trip that
//! takes effect only if they still hold it; another instance may have written meanwhile, then it is
//! decided again.

mod answers;
mod batch;
mod lane_head;
mod lookup;
mod queue;
mod replies;
mod retry;
mod schedule;
mod settle;
mod statement;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::connect::Connector;
use crate::tail::Tails;
use batch::{Batch, LaneState};
use queue::{Inbox, Queued};
use schedule::{AtWork, Schedule, Started};

pub(crate) use queue::{Queue, queue};
pub(crate) use replies::replies;

/// What all batches share.
pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) tails: Arc<Tails>,
    pub(crate) lanes: u16,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    inbox: Inbox,
    queue: Queue,
    schedule: Schedule,
    /// Absent while the lane's batch is at work.
    lanes: Vec<Option<LaneState>>,
    batches: JoinSet<Vec<LaneState>>,
    at_work: HashMap<tokio::task::Id, Running>,
    /// Callers who have just been told and may come again.
    expected: usize,
}

struct Running {
    at_work: AtWork,
    /// Until then small batches wait for this one; `None`: they do not.
    waited_for: Option<Instant>,
}

/// How long small batches wait for one at work: longer than a sync should take. A lane that hangs
/// must not keep the others.
const WAITED_FOR: Duration = Duration::from_millis(50);

/// Yields in a row that bring nothing before a batch starts.
const YIELDS_MAX: u32 = 3;

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, queue: Queue, inbox: Inbox) -> Self {
        let lanes = shared.lanes;
        Self {
            shared,
            inbox,
            queue,
            schedule: Schedule::new(lanes),
            lanes: (0..lanes).map(|lane| Some(LaneState::new(lane))).collect(),
            batches: JoinSet::new(),
            at_work: HashMap::new(),
            expected: 0,
        }
    }

    /// Runs until it is told to close and everything that waited is done.
    pub(crate) async fn run(mut self, mut close: oneshot::Receiver<()>) {
        let mut open = true;
        while open || !self.schedule.is_empty() || !self.batches.is_empty() {
            let held_back = self.waits_until().filter(|_| self.schedule.can_start());
            tokio::select! {
                biased;
                _ = &mut close, if open => {
                    open = false;
                    self.inbox.close();
                }
                Some(ended) = self.batches.join_next_with_id() => self.take_back(ended),
                Some(queued) = self.inbox.recv() => self.take_in(queued),
                () = sleep_until(held_back.unwrap_or_else(Instant::now)), if held_back.is_some() => {}
            }
            self.gather().await;
            while let Some(started) = self.schedule.next_batch(self.waits_until().is_some()) {
                self.start(started);
            }
        }
        for lane in self.lanes.into_iter().flatten() {
            lane.close().await;
        }
    }

    /// Takes in what has come. The callers of the batches that have just ended are being told and
    /// may be about to come again: as long as yielding to them brings more, the next batch waits for
    /// them, never for a clock. Without it the callers would fall into two halves of which each
    /// waits for the sync of the other.
    async fn gather(&mut self) {
        let mut yields = 0;
        loop {
            while let Some(ended) = self.batches.try_join_next_with_id() {
                self.take_back(ended);
            }
            let before = self.expected;
            while let Ok(queued) = self.inbox.try_recv() {
                self.take_in(queued);
            }
            yields = if self.expected < before { 0 } else { yields + 1 };
            if self.expected == 0 || yields > YIELDS_MAX || !self.schedule.can_start() {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.expected = 0;
    }

    fn take_in(&mut self, together: Vec<Queued>) {
        self.expected = self.expected.saturating_sub(together.len());
        for queued in together {
            self.schedule.push(queued);
        }
    }

    /// When the last of the batches at work is no longer waited for; `None`: now.
    fn waits_until(&self) -> Option<Instant> {
        let last = self.at_work.values().filter_map(|running| running.waited_for).max();
        last.filter(|last| *last > Instant::now())
    }

    fn start(&mut self, started: Started) {
        self.queue.taken(&started.commands);
        let at_work = started.at_work();
        let waited_for = (!started.contended).then(|| Instant::now() + WAITED_FOR);
        let states = at_work
            .lanes()
            .iter()
            .filter_map(|lane| self.lanes.get_mut(usize::from(*lane)).and_then(Option::take))
            .collect();
        let batch = Batch::new(self.shared.clone(), states, started.commands);
        let task = self.batches.spawn(batch.run());
        self.at_work.insert(task.id(), Running { at_work, waited_for });
    }

    fn take_back(
        &mut self,
        ended: Result<(tokio::task::Id, Vec<LaneState>), tokio::task::JoinError>,
    ) {
        let (id, states) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a batch ended badly; its callers do not know what became of it");
                (error.id(), Vec::new())
            }
        };
        let Some(Running { at_work, .. }) = self.at_work.remove(&id) else { return };
        // A batch that ended badly took along what was known of its lanes.
        for lane in at_work.lanes() {
            self.lanes[usize::from(*lane)] = Some(LaneState::new(*lane));
        }
        for state in states {
            self.schedule.set_contended(state.lane, state.is_contended());
            let lane = usize::from(state.lane);
            self.lanes[lane] = Some(state);
        }
        self.expected += at_work.commands();
        self.schedule.release(&at_work);
    }
}
