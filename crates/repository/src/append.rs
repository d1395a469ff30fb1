//! One atomic write: events for one or several streams, under conditions.

use gamemesh_domain::{Code, Error};

use crate::{EventId, Lane, LogError, NewEvent, Position, StreamName, Version};

/// Events of one append, over all its streams.
pub const APPEND_EVENTS_MAX: usize = 4_096;

/// Size of one event: payload and metadata.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

/// An atomic write: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Each stream at most once. An entry without events is a condition only: its expectation must
    /// hold, nothing is written.
    pub streams: Vec<StreamAppend>,
    pub idempotency: Option<Idempotency>,
    /// The writer's clock, microseconds since the Unix epoch. Recorded times never go backwards in
    /// a lane: an earlier time is raised to the lane's last.
    pub now_us: i64,
}

#[derive(Debug, Clone)]
pub struct StreamAppend {
    pub stream: StreamName,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
}

/// What must be true of a stream for the append to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Any,
    /// The stream has exactly this version; 0 means that it must not exist.
    Exact(Version),
    /// The stream has at least one event.
    Exists,
}

/// Makes a retried append one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Chosen by the caller, at most 256 bytes; kept for at least [`Self::WINDOW_US`].
    pub key: String,
    /// Digest of the request: the same key with another request is refused, not answered.
    pub fingerprint: [u8; 16],
}

impl Idempotency {
    /// How long a key is remembered: 24 hours, in microseconds.
    pub const WINDOW_US: i64 = 24 * 3_600 * 1_000_000;
}

/// What an append did; after it is returned, it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// In the order of the request, conditions included.
    pub streams: Vec<StreamAppended>,
    pub time_us: i64,
    /// Nothing was written: the same append (by event ids or idempotency key) had been before.
    pub repeated: bool,
}

/// `versions` first to last; a condition has `first = version + 1`, `last = version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAppended {
    pub stream: StreamName,
    pub lane: Lane,
    pub first_version: Version,
    pub last_version: Version,
    /// Position of the last event; for a condition that of the stream's head.
    pub last_position: Position,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    #[error("stream {stream} is at version {actual}, expected {expected:?}")]
    Conflict { stream: StreamName, expected: Expected, actual: Version },
    #[error("idempotency key {key:?} was used with another request")]
    KeyReused { key: String },
    #[error("event id {id} is in the log with other content")]
    EventIdReused { id: EventId },
    /// The append itself breaks a bound or repeats a stream.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl AppendError {
    pub fn code(&self) -> Code {
        match self {
            Self::Conflict { .. } => Code::VersionConflict,
            Self::KeyReused { .. } => Code::IdempotencyKeyReused,
            Self::EventIdReused { .. } | Self::Invalid(_) => Code::InvalidArgument,
            Self::Log(error) => error.code(),
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Log(error) => error.into(),
            AppendError::Conflict { actual, .. } => {
                Self::new(error.code(), error.to_string()).with_fact("actualVersion", actual)
            }
            other => Self::new(other.code(), other.to_string()),
        }
    }
}

impl Append {
    /// The bounds that hold for every adapter.
    pub fn check(&self) -> Result<(), AppendError> {
        let invalid = |what: String| Err(AppendError::Invalid(what));
        let events = self.streams.iter().map(|s| s.events.len()).sum::<usize>();
        if events == 0 {
            return invalid("an append needs at least one event".into());
        }
        if events > APPEND_EVENTS_MAX {
            return invalid(format!("{events} events in one append; at most {APPEND_EVENTS_MAX}"));
        }
        for (at, stream) in self.streams.iter().enumerate() {
            if self.streams[..at].iter().any(|s| s.stream == stream.stream) {
                return invalid(format!("stream {} is named twice", stream.stream));
            }
            for event in &stream.events {
                let bytes = event.data.len() + event.meta.len();
                if bytes > EVENT_BYTES_MAX {
                    return invalid(format!("event of {bytes} bytes; at most {EVENT_BYTES_MAX}"));
                }
            }
        }
        Ok(())
    }
}
