//! One atomic write: events for one or several streams, under conditions.

use std::collections::HashSet;

use gamemesh_domain::{Code, Error};

use crate::{EventId, Fence, Lane, LogError, NewEvent, Position, StreamName, Version};

/// Events of one append, over all its streams.
pub const APPEND_EVENTS_MAX: usize = 4_096;

/// Streams of one append, conditions included.
pub const APPEND_STREAMS_MAX: usize = 1_024;

/// Payload and metadata of one append, over all its events.
pub const APPEND_BYTES_MAX: usize = 16 << 20;

/// Size of one event: payload and metadata.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

/// Length of an event's kind.
pub const KIND_BYTES_MAX: usize = 128;

/// Length of a stream's whole name.
pub const STREAM_NAME_BYTES_MAX: usize = 1_024;

/// Length of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// An atomic write: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Each stream at most once. An entry without events is a condition only: its expectation must
    /// hold, nothing is written.
    pub streams: Vec<StreamAppend>,
    pub idempotency: Option<Idempotency>,
    /// Whose right to write this is. The log compares it with the lane's epoch in the transaction that
    /// appends, and refuses a stale one with [`LogError::Fenced`], which no adapter tries again; a retry
    /// of an append that went through is refused too. Every stream, conditions included, must be of that
    /// lane. `None`: anybody may write, as the expectations allow.
    pub fence: Option<Fence>,
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
    /// The stream has exactly this version, and its last event is this one. For an append that was
    /// decided on an event before that was durable: if another event has taken its place, the version
    /// alone would not show it.
    Following {
        version: Version,
        event: EventId,
    },
    /// The stream has at least one event.
    Exists,
}

impl Expected {
    /// Whether this is true of a stream whose last event, if it has any, is `last`.
    pub fn holds(self, actual: Version, last: EventId) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(version) => actual == version,
            Self::Following { version, event } => actual == version && last == event,
            Self::Exists => actual > 0,
        }
    }

    /// The version, where exactly one will do.
    pub fn version(self) -> Option<Version> {
        match self {
            Self::Exact(version) | Self::Following { version, .. } => Some(version),
            Self::Any | Self::Exists => None,
        }
    }
}

/// Makes a retried append one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Chosen by the caller, at most [`IDEMPOTENCY_KEY_BYTES_MAX`] bytes; kept for at least
    /// [`Self::WINDOW_US`] of the log's time.
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
    /// A stream of a fenced append is of another lane than its fence.
    #[error("stream {stream} is not of lane {}, which the append is fenced for", fence.lane.0)]
    OutsideFence { stream: StreamName, fence: Fence },
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
            Self::EventIdReused { .. } | Self::OutsideFence { .. } | Self::Invalid(_) => {
                Code::InvalidArgument
            }
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
    /// Events over all streams.
    pub fn events(&self) -> usize {
        self.streams.iter().map(|s| s.events.len()).sum()
    }

    /// Payload and metadata over all events.
    pub fn bytes(&self) -> usize {
        self.streams.iter().flat_map(|s| &s.events).map(NewEvent::bytes).sum()
    }

    /// Whether a retry of this append is recognised by its event ids: every stream that it writes
    /// expects an exact version.
    pub fn is_exact(&self) -> bool {
        self.streams.iter().all(|s| s.events.is_empty() || s.expected.version().is_some())
    }

    /// The bounds that hold for every adapter, in a store with so many lanes.
    pub fn check(&self, lanes: u16) -> Result<(), AppendError> {
        if let Some(what) = self.violated_bound() {
            return Err(AppendError::Invalid(what));
        }
        let Some(fence) = self.fence else { return Ok(()) };
        let outside = self.streams.iter().find(|part| part.stream.lane(lanes) != fence.lane);
        match outside {
            Some(part) => Err(AppendError::OutsideFence { stream: part.stream.clone(), fence }),
            None => Ok(()),
        }
    }

    fn violated_bound(&self) -> Option<String> {
        let (streams, events, bytes) = (self.streams.len(), self.events(), self.bytes());
        if events == 0 {
            return Some("an append needs at least one event".into());
        }
        if events > APPEND_EVENTS_MAX {
            return Some(format!("{events} events in one append; at most {APPEND_EVENTS_MAX}"));
        }
        if streams > APPEND_STREAMS_MAX {
            return Some(format!("{streams} streams in one append; at most {APPEND_STREAMS_MAX}"));
        }
        if bytes > APPEND_BYTES_MAX {
            return Some(format!("append of {bytes} bytes; at most {APPEND_BYTES_MAX}"));
        }
        if let Some(Idempotency { key, .. }) = &self.idempotency
            && !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        {
            let bytes = key.len();
            return Some(format!(
                "idempotency key of {bytes} bytes; 1 to {IDEMPOTENCY_KEY_BYTES_MAX}"
            ));
        }
        let mut named = HashSet::new();
        for stream in &self.streams {
            if streams > 1 && !named.insert(&stream.stream) {
                return Some(format!("stream {} is named twice", stream.stream));
            }
            let bytes = stream.stream.as_str().len();
            if bytes > STREAM_NAME_BYTES_MAX {
                return Some(format!(
                    "stream name of {bytes} bytes; at most {STREAM_NAME_BYTES_MAX}"
                ));
            }
        }
        self.streams.iter().flat_map(|s| &s.events).find_map(NewEvent::violated_bound)
    }
}

impl NewEvent {
    /// Payload and metadata.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.meta.len()
    }

    fn violated_bound(&self) -> Option<String> {
        let (bytes, kind) = (self.bytes(), self.kind.len());
        if bytes > EVENT_BYTES_MAX {
            return Some(format!("event of {bytes} bytes; at most {EVENT_BYTES_MAX}"));
        }
        if !(1..=KIND_BYTES_MAX).contains(&kind) {
            return Some(format!("event kind of {kind} bytes; 1 to {KIND_BYTES_MAX}"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::StreamName;

    fn event(kind: &str, data: usize) -> NewEvent {
        NewEvent {
            id: uuid::Uuid::nil(),
            kind: kind.into(),
            data: Bytes::from(vec![0; data]),
            meta: Bytes::new(),
        }
    }

    fn append(streams: Vec<(&str, Vec<NewEvent>)>) -> Append {
        Append {
            streams: streams
                .into_iter()
                .map(|(key, events)| StreamAppend {
                    stream: StreamName::new("test", key),
                    expected: Expected::Any,
                    events,
                })
                .collect(),
            idempotency: None,
            fence: None,
            now_us: 0,
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let long_kind = "k".repeat(KIND_BYTES_MAX + 1);
        let long_key = "s".repeat(STREAM_NAME_BYTES_MAX);
        let many = |n: usize| (0..n).map(|_| event("k", 0)).collect::<Vec<_>>();
        let keyed = |bytes: usize| Append {
            idempotency: Some(Idempotency { key: "i".repeat(bytes), fingerprint: [0; 16] }),
            ..append(vec![("a", many(1))])
        };
        let conditions = |n: usize| {
            let mut append = append(vec![("a", many(1))]);
            append.streams.extend((1..n).map(|i| StreamAppend {
                stream: StreamName::new("test", &format!("c{i}")),
                expected: Expected::Any,
                events: Vec::new(),
            }));
            append
        };
        let cases = [
            (append(vec![("a", many(1))]), None),
            (append(vec![]), Some("at least one event")),
            (append(vec![("a", vec![])]), Some("at least one event")),
            (append(vec![("a", many(APPEND_EVENTS_MAX))]), None),
            (append(vec![("a", many(APPEND_EVENTS_MAX + 1))]), Some("events in one append")),
            (append(vec![("a", many(1)), ("a", many(1))]), Some("named twice")),
            (append(vec![("a", vec![event("k", EVENT_BYTES_MAX)])]), None),
            (append(vec![("a", vec![event("k", EVENT_BYTES_MAX + 1)])]), Some("event of")),
            (append(vec![("a", vec![event("k", EVENT_BYTES_MAX); 4])]), None),
            (append(vec![("a", vec![event("k", EVENT_BYTES_MAX); 5])]), Some("append of")),
            (append(vec![("a", vec![event(&long_kind, 0)])]), Some("kind of")),
            (append(vec![("a", vec![event("", 0)])]), Some("kind of")),
            (append(vec![(&long_key, many(1))]), Some("stream name of")),
            (keyed(IDEMPOTENCY_KEY_BYTES_MAX), None),
            (keyed(IDEMPOTENCY_KEY_BYTES_MAX + 1), Some("idempotency key of")),
            (keyed(0), Some("idempotency key of")),
            (conditions(APPEND_STREAMS_MAX), None),
            (conditions(APPEND_STREAMS_MAX + 1), Some("streams in one append")),
        ];
        for (at, (append, refused)) in cases.into_iter().enumerate() {
            match (append.check(1), refused) {
                (Ok(()), None) => {}
                (Err(AppendError::Invalid(what)), Some(part)) if what.contains(part) => {}
                (outcome, _) => panic!("case {at}: {outcome:?}, expected {refused:?}"),
            }
        }
    }
}
