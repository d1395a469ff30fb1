//! Events as they are offered and as they are recorded.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::{Lane, Position, StreamName, Version};

/// Chosen by the caller; the same id at the same place of the same stream is the same event.
pub type EventId = Uuid;

/// An event that is not yet part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    /// What happened, such as `state.operated`. At most 128 bytes.
    pub kind: Arc<str>,
    /// The payload. The log does not look inside.
    pub data: Bytes,
    /// Correlation, causation, actor, trace. The log does not look inside.
    pub meta: Bytes,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub stream: StreamName,
    /// 1 for the first event of the stream.
    pub version: Version,
    pub lane: Lane,
    pub position: Position,
    /// Microseconds since the Unix epoch. Never decreases along a lane.
    pub time_us: i64,
    pub id: EventId,
    pub kind: Arc<str>,
    pub data: Bytes,
    pub meta: Bytes,
}

impl Event {
    /// Whether this event is what a retry offers: identity, kind and payload. Metadata may differ,
    /// since a trace belongs to the try.
    pub fn is_retry_of(&self, offered: &NewEvent) -> bool {
        (self.id, &self.kind, &self.data) == (offered.id, &offered.kind, &offered.data)
    }
}
