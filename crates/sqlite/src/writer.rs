//! The one task that writes.
//!
//! It takes what waits in the queue, decides all of it in memory, writes it in one transaction, and
//! answers after the commit. While a commit is on its way to the disk the next batch gathers in the
//! queue: the disk is the timer.

mod cursors;
pub(crate) mod lane_head;
mod lookup;
mod queue;
mod recover;
mod replies;
mod retry;
mod snapshots;
mod transaction;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gamemesh_repository::batch::{Decision, LaneHead, Outcome, Plan};
use gamemesh_repository::{LogError, Position, fault_point, seeded_defect};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{oneshot, watch};

use crate::checkpoint;
use crate::error::log_error;
use crate::lock::OwnerLock;
use crate::read::{LANE, LANES};
use replies::Replies;
use transaction::Staged;

pub(crate) use queue::{Appendeds, AuxiliaryWrite, Command, Inbox, Queue, queue};

type Reply = oneshot::Sender<Result<(), LogError>>;

pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    pub(crate) file_bytes_max: Option<u64>,
    /// Absent after a failure, until the store can be opened again.
    pub(crate) connection: Option<SqliteConnection>,
    pub(crate) head: LaneHead,
    pub(crate) inbox: Inbox,
    pub(crate) tail: watch::Sender<Position>,
    /// Batches written, for the checkpointer.
    pub(crate) batches: watch::Sender<u64>,
    /// Set by the checkpointer when a checkpoint is due at a moment without writes.
    pub(crate) checkpoint_due: Arc<AtomicBool>,
    /// Given up last, after the connection is closed.
    pub(crate) lock: OwnerLock,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(commands) = self.inbox.next_batch().await {
            let began = Instant::now();
            self.serve(commands).await;
            self.inbox.written(began.elapsed());
            if self.checkpoint_due.swap(false, Ordering::Relaxed)
                && let Some(connection) = &mut self.connection
            {
                checkpoint::between_writes(connection).await;
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the store failed; opening it again will recover it");
        }
        drop(self.lock);
    }

    /// Decides, writes and answers one batch.
    async fn serve(&mut self, commands: Vec<Command>) {
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(error) => return Replies::refuse(commands, &error),
        };
        // Streams are numbered from 1.
        let mut plan = Plan::new(vec![&self.head], LANES, 1);
        if let Err(error) = lookup::fill(&mut connection, &mut plan, &commands).await {
            return Replies::refuse(commands, &error);
        }
        let (mut replies, mut auxiliary, vacuums) =
            decide(&mut connection, &mut plan, commands).await;
        let (planned, heads) = plan.seal();
        if planned.is_empty() && auxiliary.is_empty() {
            vacuum(&mut connection, vacuums).await;
            self.connection = Some(connection);
            return replies.send();
        }
        if seeded_defect("sqlite.acknowledge_early") {
            std::mem::take(&mut replies).send();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let written = match transaction::write(&mut connection, &planned, &mut auxiliary).await {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(failure) => self.recover(connection, failure, &planned).await,
        };
        fault_point("sqlite.after_commit");
        if let Some(connection) = &mut self.connection {
            vacuum(connection, vacuums).await;
        }
        for staged in auxiliary {
            replies.auxiliary(staged.reply, staged.result);
        }
        match written {
            Ok(()) => {
                self.head.advance(&planned.lanes[0]);
                for (stream, head) in heads {
                    self.head.heads.put(stream, head);
                }
                self.tail.send_replace(self.head.last_position);
                self.batches.send_modify(|batches| *batches += 1);
                replies.send();
            }
            Err(error) => {
                tracing::error!(%error, "a batch was not written");
                replies.send_failed(&error);
            }
        }
    }
}

/// Once for all that asked for it. If the batch failed, their calls end without an answer.
async fn vacuum(connection: &mut SqliteConnection, asked: Vec<Reply>) {
    if asked.is_empty() {
        return;
    }
    let result = checkpoint::vacuum(connection).await.map_err(log_error);
    for reply in asked {
        drop(reply.send(result.clone()));
    }
}

/// Decides every command in the order of the queue. What is to be written is in the plan and the
/// auxiliary writes; each append has its outcome.
async fn decide(
    connection: &mut SqliteConnection,
    plan: &mut Plan<'_>,
    commands: Vec<Command>,
) -> (Replies, Vec<Staged>, Vec<Reply>) {
    let mut replies = Replies::default();
    let mut auxiliary = Vec::new();
    let mut vacuums = Vec::new();
    for command in commands {
        match command {
            Command::Appends { appends, reply } => {
                let mut outcomes = Vec::with_capacity(appends.len());
                for append in appends {
                    outcomes.push(match plan.decide(&append) {
                        Decision::Write => {
                            Outcome { result: Ok(plan.write(&append)), depends_on_batch: true }
                        }
                        Decision::Answer(outcome) => outcome,
                        Decision::ReadBack { conflict } => {
                            retry::read_back(connection, plan, &append, conflict).await
                        }
                    });
                }
                replies.appends(reply, outcomes);
            }
            Command::Auxiliary { write, reply } => {
                if let AuxiliaryWrite::RaiseOwnerEpoch(epoch) = *write {
                    plan.raise_owner_epoch(LANE, epoch);
                }
                auxiliary.push(Staged { write, reply, result: Ok(()) });
            }
            Command::Vacuum { reply } => vacuums.push(reply),
        }
    }
    (replies, auxiliary, vacuums)
}
