//! The tasks that append.
//!
//! One task takes the appends as they come and gives each lane what waits for it as a batch; while
//! a lane's batch is on its way to the disk the next one gathers: the disk is the timer. A batch is
//! decided in memory, from what its lanes are known to hold, and written in one round trip that
//! takes effect only if they still hold it; another instance may have written meanwhile, then it is
//! decided again.

mod answers;
mod batch;
mod heads;
mod ledger;
mod lookup;
mod plan;
mod queue;
mod retry;
mod schedule;
mod settle;
mod statement;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::connect::Connector;
use crate::tail::Tails;
use batch::{Batch, LaneState};
use queue::Queued;
use schedule::{AtWork, Schedule, Started};

pub(crate) use queue::{Queue, queue};

/// What all batches share.
pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) tails: Arc<Tails>,
    pub(crate) lanes: u16,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    inbox: mpsc::UnboundedReceiver<Queued>,
    queue: Queue,
    schedule: Schedule,
    /// Absent while the lane's batch is at work.
    lanes: Vec<Option<LaneState>>,
    batches: JoinSet<Vec<LaneState>>,
    at_work: HashMap<tokio::task::Id, AtWork>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: Queue,
        inbox: mpsc::UnboundedReceiver<Queued>,
    ) -> Self {
        let lanes = shared.lanes;
        Self {
            shared,
            inbox,
            queue,
            schedule: Schedule::new(lanes),
            lanes: (0..lanes).map(|lane| Some(LaneState::new(lane))).collect(),
            batches: JoinSet::new(),
            at_work: HashMap::new(),
        }
    }

    /// Runs until it is told to close and everything that waited is done.
    pub(crate) async fn run(mut self, mut close: oneshot::Receiver<()>) {
        let mut open = true;
        while open || !self.schedule.is_empty() || !self.batches.is_empty() {
            tokio::select! {
                biased;
                _ = &mut close, if open => {
                    open = false;
                    self.inbox.close();
                }
                Some(ended) = self.batches.join_next_with_id() => self.take_back(ended),
                Some(queued) = self.inbox.recv() => self.schedule.push(queued),
            }
            self.gather().await;
            while let Some(started) = self.schedule.next_batch() {
                self.start(started);
            }
        }
        for lane in self.lanes.into_iter().flatten() {
            lane.close().await;
        }
    }

    /// Takes in what has come. The callers of the batches that have just ended are being told and
    /// may be about to come again: as long as a lane that could start has fewer appends than last
    /// time and each yield to the callers brings more, it is waited for them, never for a clock.
    async fn gather(&mut self) {
        loop {
            while let Some(ended) = self.batches.try_join_next_with_id() {
                self.take_back(ended);
            }
            let mut grew = false;
            while let Ok(queued) = self.inbox.try_recv() {
                self.schedule.push(queued);
                grew = true;
            }
            if !(grew && self.schedule.may_grow()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn start(&mut self, started: Started) {
        self.queue.taken(&started.commands);
        let at_work = started.at_work();
        let states = at_work
            .lanes()
            .iter()
            .filter_map(|lane| self.lanes.get_mut(usize::from(*lane)).and_then(Option::take))
            .collect();
        let batch = Batch::new(self.shared.clone(), states, started.commands);
        let task = self.batches.spawn(batch.run());
        self.at_work.insert(task.id(), at_work);
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
        let Some(at_work) = self.at_work.remove(&id) else { return };
        // A batch that ended badly took along what was known of its lanes.
        for lane in at_work.lanes() {
            self.lanes[usize::from(*lane)] = Some(LaneState::new(*lane));
        }
        for state in states {
            let lane = usize::from(state.lane);
            self.lanes[lane] = Some(state);
        }
        self.schedule.release(&at_work);
    }
}
