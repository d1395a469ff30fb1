//! One batch: decide, write, answer.
//!
//! As long as nobody else writes to its lanes this takes one round trip. Where another instance has
//! written to a lane lately, the lane is taken first: then it stands still while the batch is
//! decided, and no instance tries in vain for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_repository::batch::{Decision, Plan, Planned};
use gamemesh_repository::{
    AppendError, Appended, Fence, Lane, LogError, SLICES, StreamHead, StreamName, fault_fails,
    fault_point, seeded_defect,
};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use super::lane_head::{self, KnownLane};
use super::queue::Queued;
use super::settle::settle;
use super::{Shared, answers, lookup, retry, statement};
use crate::connect::timely;
use crate::error::{Failure, failure, log_error};

/// Tries of one batch. The second holds its lanes, so more than a few mean that the server keeps
/// failing.
const ATTEMPTS_MAX: u32 = 8;

/// No further try begins after this time.
const BATCH_MS_MAX: u64 = 10_000;

/// A stream's number is its lane's count of streams, times this, plus the lane.
const STREAM_STRIDE: i64 = SLICES as i64;

/// One lane, as its batches leave it to the next.
pub(super) struct LaneState {
    pub(super) lane: u16,
    /// Absent until it is known what the lane holds.
    known: Option<KnownLane>,
    connection: Option<PgConnection>,
    /// Whether another instance has written to the lane lately.
    contended: bool,
}

pub(super) struct Batch {
    shared: Arc<Shared>,
    /// Ascending.
    lanes: Vec<LaneState>,
    commands: Vec<Queued>,
    /// Whether keys, and streams that must not exist, are looked up before the batch is decided. They
    /// are not at first: almost always they are new, and one that is not shows itself.
    looks_first: bool,
}

type Answers = Vec<Result<Appended, AppendError>>;

struct Decided {
    planned: Planned,
    heads: HashMap<StreamName, StreamHead>,
    answers: Answers,
}

/// How a try ended.
enum Ended {
    /// What there was to write is durable, and every answer holds.
    Done(Decided),
    /// Nothing was written, for a reason that another try can do away with.
    Again(LogError),
    /// Nothing was written.
    Failed(LogError),
    /// It may be written.
    InDoubt(Decided, LogError),
}

impl LaneState {
    pub(super) fn new(lane: u16) -> Self {
        Self { lane, known: None, connection: None, contended: false }
    }

    pub(super) fn is_contended(&self) -> bool {
        self.contended
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing the connection of a lane");
        }
    }
}

impl Batch {
    pub(super) fn new(shared: Arc<Shared>, lanes: Vec<LaneState>, commands: Vec<Queued>) -> Self {
        Self { shared, lanes, commands, looks_first: false }
    }

    pub(super) async fn run(mut self) -> Vec<LaneState> {
        match self.answers().await {
            Ok(answers) => answers::send(self.commands, answers),
            Err(error) => {
                tracing::warn!(%error, appends = self.commands.len(), "a batch was not written");
                self.nothing_written();
                answers::refuse(self.commands, &error);
            }
        }
        self.lanes
    }

    async fn answers(&mut self) -> Result<Answers, LogError> {
        let deadline = Instant::now() + Duration::from_millis(BATCH_MS_MAX);
        for attempt in 1.. {
            let mut connection = match self.lanes[0].connection.take() {
                Some(connection) => connection,
                None => self.shared.connector.connect().await?,
            };
            let ended = self.attempt(&mut connection).await;
            if !matches!(ended, Ok(Ended::Done(_) | Ended::InDoubt(..))) {
                self.nothing_written();
            }
            // A connection that failed is not used again; the server ends what it had begun.
            let sound = !matches!(ended, Err(_) | Ok(Ended::InDoubt(..)));
            self.lanes[0].connection = sound.then_some(connection);
            let cause = match ended {
                Ok(Ended::Done(decided)) => return Ok(self.advance(decided)),
                Ok(Ended::InDoubt(decided, cause)) => {
                    if self.is_written(&decided.planned, &cause).await? {
                        return Ok(self.advance(decided));
                    }
                    cause
                }
                Ok(Ended::Again(cause)) | Err(cause @ LogError::Unavailable(_)) => cause,
                Ok(Ended::Failed(error)) | Err(error) => {
                    self.forget();
                    return Err(error);
                }
            };
            tracing::debug!(%cause, attempt, "a batch is tried again");
            if attempt >= ATTEMPTS_MAX || Instant::now() >= deadline {
                self.forget();
                return Err(cause);
            }
        }
        Err(LogError::Internal("a batch without attempts".to_owned()))
    }

    /// One try on one connection. An error is one from before anything could take effect.
    async fn attempt(&mut self, connection: &mut PgConnection) -> Result<Ended, LogError> {
        if self.lanes.iter().any(|lane| lane.contended) {
            self.attempt_holding(connection).await
        } else {
            self.attempt_comparing(connection).await
        }
    }

    /// What is known is taken as true, and compared when it is written.
    async fn attempt_comparing(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Ended, LogError> {
        let reply_max = self.shared.connector.reply_max;
        let decided = self.decide(connection, false).await?;
        if decided.planned.is_empty() {
            let planned = &decided.planned;
            return Ok(if timely(reply_max, lane_head::still_at(connection, planned)).await?? {
                Ended::Done(decided)
            } else {
                self.moved_on()
            });
        }
        self.begin(&decided.planned);
        fault_point("postgres.before_commit");
        let written = timely(
            reply_max,
            statement::append_batch(connection, &decided.planned, &self.epochs()),
        )
        .await;
        fault_point("postgres.after_commit");
        if matches!(written, Ok(Ok(true))) && fault_fails("postgres.commit_reply") {
            return Ok(Ended::InDoubt(
                decided,
                LogError::Unavailable("lost on purpose".to_owned()),
            ));
        }
        Ok(match written {
            Ok(Ok(true)) => Ended::Done(decided),
            Ok(Ok(false)) if seeded_defect("postgres.fence") => Ended::Done(decided),
            Ok(Ok(false)) => self.moved_on(),
            Ok(Err(error)) if failure(&error) == Failure::Lost => {
                Ended::InDoubt(decided, log_error(error))
            }
            Ok(Err(error)) => self.not_written(error),
            Err(no_answer) => Ended::InDoubt(decided, no_answer),
        })
    }

    /// The lanes are taken first and held until the commit.
    async fn attempt_holding(&mut self, connection: &mut PgConnection) -> Result<Ended, LogError> {
        let reply_max = self.shared.connector.reply_max;
        let mut transaction = timely(reply_max, connection.begin()).await?.map_err(log_error)?;
        let decided = self.decide(&mut transaction, true).await?;
        if decided.planned.is_empty() {
            timely(reply_max, transaction.rollback()).await?.map_err(log_error)?;
            return Ok(Ended::Done(decided));
        }
        self.begin(&decided.planned);
        let epochs = self.epochs();
        let writing = statement::append_batch(&mut transaction, &decided.planned, &epochs);
        let ended = match timely(reply_max, writing).await? {
            Ok(true) => None,
            Ok(false) => Some(self.moved_on()),
            Err(error) if failure(&error) == Failure::Lost => return Err(log_error(error)),
            Err(error) => Some(self.not_written(error)),
        };
        if let Some(ended) = ended {
            timely(reply_max, transaction.rollback()).await?.map_err(log_error)?;
            return Ok(ended);
        }
        fault_point("postgres.before_commit");
        let committed = timely(reply_max, transaction.commit()).await;
        fault_point("postgres.after_commit");
        Ok(match committed {
            Ok(Ok(())) => Ended::Done(decided),
            Ok(Err(error)) if failure(&error) == Failure::Lost => {
                Ended::InDoubt(decided, log_error(error))
            }
            Ok(Err(error)) => self.not_written(error),
            Err(no_answer) => Ended::InDoubt(decided, no_answer),
        })
    }

    /// Decides every append in the order of the queue.
    async fn decide(
        &mut self,
        connection: &mut PgConnection,
        holding: bool,
    ) -> Result<Decided, LogError> {
        let reply_max = self.shared.connector.reply_max;
        timely(reply_max, self.learn_lanes(connection, holding)).await??;
        loop {
            let decided = timely(reply_max, self.decide_once(connection)).await??;
            match decided {
                Some(decided) => return Ok(decided),
                None => self.looks_first = true,
            }
        }
    }

    /// `None`: it depends on what has not been looked up.
    async fn decide_once(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Option<Decided>, LogError> {
        let heads = self.lanes.iter().filter_map(|lane| Some(&lane.known.as_ref()?.head)).collect();
        let mut plan = Plan::new(heads, self.shared.lanes, STREAM_STRIDE);
        lookup::heads(connection, &mut plan, &self.commands, !self.looks_first).await?;
        if self.looks_first {
            lookup::keys(connection, &mut plan, &self.commands).await?;
        }
        let mut answers = Vec::with_capacity(self.commands.len());
        for append in self.commands.iter().map(|queued| &queued.append) {
            answers.push(match plan.decide(append) {
                Decision::Write => Ok(plan.write(append)),
                _ if !self.looks_first && plan.assumes(append) => return Ok(None),
                Decision::Answer(outcome) => outcome.result,
                Decision::ReadBack { conflict } => {
                    retry::read_back(connection, &plan, append, conflict).await?.result
                }
            });
        }
        let (planned, heads) = plan.seal();
        Ok(Some(Decided { planned, heads, answers }))
    }

    /// Learns what the lanes hold, if that is not known or when they are to be held. A lane that is
    /// where it was has not been written to: all that was known of it still holds.
    async fn learn_lanes(
        &mut self,
        connection: &mut PgConnection,
        holding: bool,
    ) -> Result<(), LogError> {
        if !holding && self.lanes.iter().all(|lane| self.knows_enough(lane)) {
            return Ok(());
        }
        let numbers: Vec<i16> = self.lanes.iter().map(|lane| lane.lane as i16).collect();
        let found = lane_head::load(connection, &numbers, holding).await.map_err(log_error)?;
        if found.len() != self.lanes.len() {
            return Err(LogError::Corrupted("a lane is missing".to_owned()));
        }
        for (state, seen) in self.lanes.iter_mut().zip(found) {
            self.shared.tails.raise(Lane(state.lane), seen.head.last_position);
            match &mut state.known {
                Some(known) if known.head.last_position == seen.head.last_position => {
                    known.epoch = seen.epoch;
                    known.head.owner_epoch = seen.head.owner_epoch;
                    state.contended &= !holding;
                }
                known => *known = Some(seen),
            }
        }
        Ok(())
    }

    /// Whether nothing must be read of a lane before the batch is decided. A fence of an epoch that this
    /// instance has not seen means that somebody has taken the lane since.
    fn knows_enough(&self, lane: &LaneState) -> bool {
        let Some(known) = &lane.known else { return false };
        let is_newer =
            |fence: Fence| fence.lane.0 == lane.lane && fence.epoch > known.head.owner_epoch;
        !self.commands.iter().any(|command| command.append.fence.is_some_and(is_newer))
    }

    fn epochs(&self) -> Vec<i64> {
        self.lanes.iter().filter_map(|lane| Some(lane.known.as_ref()?.epoch)).collect()
    }

    fn begin(&self, planned: &Planned) {
        for plan in planned.lanes.iter().filter(|plan| !plan.events.is_empty()) {
            self.shared.tails.begin(plan.lane, plan.durable + 1..=plan.last_position);
        }
    }

    fn nothing_written(&self) {
        for state in &self.lanes {
            self.shared.tails.end(Lane(state.lane), false);
        }
    }

    /// What is written is what the lanes hold now; every answer may go out after this.
    fn advance(&mut self, decided: Decided) -> Answers {
        let Decided { planned, heads, answers } = decided;
        for (state, plan) in self.lanes.iter_mut().zip(&planned.lanes) {
            if let Some(known) = &mut state.known {
                known.head.advance(plan);
            }
            // Whoever sees the tail knows whose it is.
            self.shared.tails.end(Lane(state.lane), true);
            self.shared.tails.raise(Lane(state.lane), plan.last_position);
        }
        for (stream, head) in heads {
            let Lane(lane) = stream.lane(self.shared.lanes);
            let state = self.lanes.iter_mut().find(|state| state.lane == lane);
            if let Some(known) = state.and_then(|state| state.known.as_mut()) {
                known.head.heads.put(stream, head);
            }
        }
        answers
    }

    /// After a lost reply. Other instances may have written since, so nothing is known of the lanes.
    async fn is_written(&mut self, planned: &Planned, cause: &LogError) -> Result<bool, LogError> {
        tracing::warn!(%cause, batch = %planned.batch, "the reply to a batch was lost");
        self.forget();
        match settle(&self.shared.connector, planned).await {
            Ok((written, connection)) => {
                self.lanes[0].connection = Some(connection);
                Ok(written)
            }
            Err(error) => Err(LogError::Unresolved(format!("{cause}; {error}"))),
        }
    }

    /// Another instance has written to a lane; which one is found out by holding them.
    fn moved_on(&mut self) -> Ended {
        for lane in &mut self.lanes {
            lane.contended = true;
        }
        Ended::Again(LogError::Unavailable("the lane has moved on".to_owned()))
    }

    fn not_written(&mut self, error: sqlx::Error) -> Ended {
        match failure(&error) {
            Failure::Refused | Failure::Lost => Ended::Failed(log_error(error)),
            Failure::Taken => {
                self.looks_first = true;
                Ended::Again(log_error(error))
            }
            Failure::Fenced => {
                self.forget();
                Ended::Again(log_error(error))
            }
            Failure::Yielded => Ended::Again(log_error(error)),
        }
    }

    fn forget(&mut self) {
        for lane in &mut self.lanes {
            lane.known = None;
        }
    }
}
