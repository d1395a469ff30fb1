//! The port of the event log.

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gamemesh_domain::{Code, Error};
use tokio::sync::watch;

use crate::{
    Append, AppendError, Appended, Event, Incarnation, Lane, Position, StoreSecret, StreamName,
    Version,
};

/// A result that is already on its way.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Streams of events, in lanes.
///
/// Laws, which the conformance suite checks on every adapter:
/// - versions of a stream are 1, 2, 3 … and positions of a lane are 1, 2, 3 …, both without gaps;
/// - a reader that has seen position *p* of a lane will never see a new event at or below *p*;
/// - an append is visible to every reader completely or not at all;
/// - what was acknowledged survives the end of the process and of the machine;
/// - an append whose outcome is unknown is resolved before it is answered: `Err` means that it was
///   not written, unless the error is [`LogError::Unresolved`].
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    fn incarnation(&self) -> Incarnation;

    /// What the instances of the store know and nobody else. It stays as long as the store.
    fn secret(&self) -> StoreSecret;

    /// Number of lanes; fixed for the life of the store.
    fn lanes(&self) -> u16;

    /// Whether nobody but this instance can append: what it has acknowledged is all there is.
    fn is_sole_writer(&self) -> bool;

    /// Appends all or nothing. The append takes its place in the queue when this is called, not
    /// when the future is polled: appends of one caller are decided in the order of the calls, so a
    /// caller may build the next append on the result that it expects of this one. A full queue
    /// answers [`LogError::Overloaded`] at once.
    ///
    /// A retried append is recognised by its idempotency key, or, where every stream that it writes
    /// expects an exact version, by its event ids standing right after those versions; it answers
    /// the first result with `repeated` set. Recognised by ids, its conditions answer their heads of
    /// now: the log does not keep what they were. Kind and payload must be those of the first try;
    /// metadata may differ, since a trace belongs to the try.
    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>>;

    /// Appends several, each by itself, as so many calls of [`Self::append`] in this order would.
    /// An adapter may do it for less than they cost.
    fn append_each(&self, appends: Vec<Append>) -> Pending<Vec<Result<Appended, AppendError>>> {
        let pending: Vec<_> = appends.into_iter().map(|append| self.append(append)).collect();
        Box::pin(async move {
            let mut results = Vec::with_capacity(pending.len());
            for pending in pending {
                results.push(pending.await);
            }
            results
        })
    }

    /// The result of the append that carried this key, if it is still remembered, with the digest
    /// of its request.
    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError>;

    /// Events of one stream. Forward: versions `from`, `from + 1` …; backward: `from`, `from - 1` ….
    /// Fewer than `limit` only at the end of the stream: the caller bounds the memory.
    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError>;

    /// The first events of several streams, each from a version of its own on: for each, in this
    /// order, what [`Self::read_stream`] forward would answer. A stream may be asked for more than
    /// once; what is wrong with one is the answer for that one only. At most `limit_each` events of
    /// each: the caller bounds the memory. An adapter may do it for less than so many calls cost.
    async fn read_streams(
        &self,
        asked: &[(StreamName, Version)],
        limit_each: usize,
    ) -> Vec<Result<Vec<Event>, LogError>> {
        let mut answers = Vec::with_capacity(asked.len());
        for (stream, from) in asked {
            let forward = Direction::Forward;
            answers.push(self.read_stream(stream, *from, limit_each, forward).await);
        }
        answers
    }

    /// Events of one lane after `after`, in position order. Fewer than `limit` only at its end.
    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError>;

    /// The head of a stream, `None` if it has no events.
    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError>;

    /// The version that the stream had at a time: its last event not later than `time_us`. 0 before
    /// its first event.
    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError>;

    /// Last position of a lane, as this instance knows it, and every later one. A receiver may skip
    /// values, never go back. No event that this instance was answered lies beyond: what has been
    /// read or acknowledged here is within the tail.
    fn tail(&self, lane: Lane) -> watch::Receiver<Position>;

    /// Where this instance last found the end of a lane, and every later observation; `None` for the
    /// sole writer, whose tail is the end at any time. It never goes back.
    fn tail_observations(&self, _lane: Lane) -> Option<watch::Receiver<TailObservation>> {
        None
    }

    /// The first run of positions after `after` that this instance has written, or is about to write:
    /// whoever appended them is told, or is being told. `None` if there is none that it remembers. What
    /// is about to be written can still come to nothing; then it is another's after all.
    fn local_runs(&self, lane: Lane, after: Position) -> Option<RangeInclusive<Position>> {
        let rest = after + 1..=*self.tail(lane).borrow();
        (self.is_sole_writer() && !rest.is_empty()).then_some(rest)
    }

    /// This instance has learned of events elsewhere than from this log: what is read from here on is not
    /// older. It means nothing where all reads are of one server.
    fn know(&self, _events: &[Event]) {}

    /// Observes the ends of the lanes soon instead of at the next regular time: an observation begins
    /// after this call. It may be called at any rate, and means nothing to the sole writer.
    fn refresh_tail(&self) {}

    /// Checks every checksum, the chain and the density of versions and positions.
    async fn verify(&self) -> Result<VerifyReport, LogError>;

    /// Whether the store answers: a cheap read.
    async fn ping(&self) -> Result<(), LogError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// An observation of the end of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailObservation {
    /// When it began, by the monotonic clock of this process.
    pub at: Instant,
    /// Whatever any instance had acknowledged by then lies at or before this position.
    pub position: Position,
}

/// Where a stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub stream: StreamName,
    pub version: Version,
    pub lane: Lane,
    pub position: Position,
    pub time_us: i64,
}

/// What [`EventLog::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub events: u64,
    pub streams: u64,
    pub batches: u64,
    /// The first violations, at most [`Self::VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    pub violations_total: u64,
}

impl VerifyReport {
    pub const VIOLATIONS_MAX: usize = 100;

    pub fn is_clean(&self) -> bool {
        self.violations_total == 0
    }
}

/// One thing that is wrong with the log, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub lane: Lane,
    pub position: Position,
    pub stream: Option<StreamName>,
    pub what: String,
}

/// Why the log could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    #[error("the write queue is full")]
    Overloaded,
    #[error("no connection became free in time")]
    PoolExhausted,
    #[error("the storage is full")]
    Full,
    #[error("the storage is read-only")]
    ReadOnly,
    #[error("the storage cannot be reached: {0}")]
    Unavailable(String),
    /// Another owner holds the lane. Nothing was written.
    #[error("the lane is owned by another instance")]
    Fenced,
    /// The outcome of the write could not be learned in time.
    #[error("the outcome of the write is not known yet: {0}")]
    Unresolved(String),
    #[error("stored bytes are damaged: {0}")]
    Corrupted(String),
    #[error("{0}")]
    Internal(String),
}

impl LogError {
    pub fn code(&self) -> Code {
        match self {
            Self::Overloaded => Code::Overloaded,
            Self::PoolExhausted => Code::PoolExhausted,
            Self::Full => Code::StorageFull,
            Self::ReadOnly => Code::StorageReadOnly,
            Self::Unavailable(_) | Self::Unresolved(_) => Code::DependencyUnavailable,
            Self::Fenced => Code::Fenced,
            Self::Corrupted(_) => Code::DataCorrupted,
            Self::Internal(_) => Code::Internal,
        }
    }
}

/// When a caller who found a queue full should come back: a batch or two later.
const BUSY_RETRY: Duration = Duration::from_millis(100);

impl From<LogError> for Error {
    /// The cause goes to the log, not to the caller.
    fn from(error: LogError) -> Self {
        let public = match &error {
            LogError::Unavailable(_) => "the storage cannot be reached",
            LogError::Unresolved(_) => {
                "the outcome of the write is not known yet; retry with the same idempotency key"
            }
            LogError::Corrupted(_) => "stored bytes are damaged",
            LogError::Internal(_) => "internal error",
            LogError::Overloaded | LogError::PoolExhausted => {
                return Self::new(error.code(), error.to_string()).with_retry_after(BUSY_RETRY);
            }
            other => return Self::new(other.code(), other.to_string()),
        };
        Self::new(error.code(), public).with_context(&error)
    }
}
