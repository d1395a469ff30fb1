//! An event as the message that readers of the topic get.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gamemesh_bus::{Header, Message};
use gamemesh_repository::{Event, Incarnation, LogError, Position};

use crate::config::{EventsFormat, StateConfig};
use crate::convert;
use crate::engine::stored;

/// Headers of one message.
const HEADERS_MAX: usize = 10;

/// What an id and the numbers take among the headers, in bytes.
const TEXTS_BYTES: usize = 84;

/// Correlation id and trace context in the metadata of an event.
const METADATA_FIELDS: [u64; 2] = [1, 5];

/// Makes messages of events.
pub(super) struct Encoder {
    topic: Arc<str>,
    format: EventsFormat,
    /// Identity of the store in hexadecimal: positions count within it.
    store: Bytes,
    projection: String,
}

impl Encoder {
    pub(super) fn new(config: &StateConfig, incarnation: Incarnation) -> Self {
        let store: String = incarnation.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            topic: config.events_topic.as_str().into(),
            format: config.events_format,
            store: store.into(),
            projection: format!("relay:{}", config.events_topic),
        }
    }

    /// Name of the relay's cursor: another topic begins at its beginning.
    pub(super) fn projection(&self) -> &str {
        &self.projection
    }

    /// An event that is larger than `bytes_max`, or that `claim` names, goes without its data; the
    /// header `claim-check` says so, and readers fetch it by `ListEvents`.
    pub(super) fn message(
        &self,
        event: &Event,
        bytes_max: usize,
        claim: Option<Position>,
    ) -> Result<Message, LogError> {
        let message = self.carry(event, self.payload(event, true)?)?;
        if message.size_bytes() <= bytes_max && claim != Some(event.position) {
            return Ok(message);
        }
        let mut message = self.carry(event, self.payload(event, false)?)?;
        message.headers.push(Header { name: "claim-check", value: Bytes::from_static(b"true") });
        Ok(message)
    }

    fn payload(&self, event: &Event, with_data: bool) -> Result<Bytes, LogError> {
        if self.format == EventsFormat::Protobuf {
            return Ok(convert::event_wire::bytes(event, with_data)?.into());
        }
        let mut public = convert::aggregate::to_event(event)?;
        if !with_data {
            public.data = None;
        }
        Ok(convert::event_json::text(&public).into())
    }

    fn carry(&self, event: &Event, payload: Bytes) -> Result<Message, LogError> {
        let content_type = match self.format {
            EventsFormat::Protobuf => "application/protobuf",
            EventsFormat::Json => "application/json",
        };
        let [correlation, traceparent] = stored::texts(&event.meta, METADATA_FIELDS)?;
        let stream = event.stream.as_str();
        let given = stream.len() + correlation.len() + traceparent.len();
        let mut texts = Texts(BytesMut::with_capacity(TEXTS_BYTES + given));
        let key = texts.put(stream);
        let mut headers = Vec::with_capacity(HEADERS_MAX);
        headers.extend([
            Header { name: "content-type", value: Bytes::from_static(content_type.as_bytes()) },
            Header { name: "event-id", value: texts.put(event.id) },
            Header { name: "stream", value: key.clone() },
            Header { name: "version", value: texts.put(event.version) },
            Header { name: "store", value: self.store.clone() },
            Header { name: "lane", value: texts.put(event.lane.0) },
            Header { name: "position", value: texts.put(event.position) },
        ]);
        let given = [("traceparent", traceparent), ("x-correlation-id", correlation)];
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        headers.extend(given.map(|(name, value)| Header { name, value: texts.put(value) }));
        Ok(Message {
            topic: self.topic.clone(),
            key,
            payload,
            headers,
            lane: event.lane.0,
            position: event.position,
        })
    }
}

/// Texts that share one piece of memory.
struct Texts(BytesMut);

impl Texts {
    fn put(&mut self, text: impl Display) -> Bytes {
        // Memory takes whatever is written.
        let _ = write!(self.0, "{text}");
        self.0.split().freeze()
    }
}
