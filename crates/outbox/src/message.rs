//! An event as the message that readers of the topic get.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gamemesh_bus::{Header, Message};
use gamemesh_repository::{Event, Incarnation, LogError, Position};

/// Headers of one message.
const HEADERS_MAX: usize = 10;

/// What an id and the numbers take among the headers, in bytes.
const TEXTS_BYTES: usize = 84;

/// What a service puts into the messages of its events.
pub trait Encoder: Send + Sync + 'static {
    /// Name of the relay's cursor. A relay with another name begins at the beginning of the log.
    fn cursor(&self) -> &str;

    /// Every topic that an event can go to.
    fn topics(&self) -> Vec<Arc<str>>;

    /// Topic of the event, one of `topics`.
    fn topic(&self, event: &Event) -> Arc<str>;

    fn content_type(&self) -> &'static str;

    /// The payload; without the event's data where that would be too large for the bus.
    fn payload(&self, event: &Event, with_data: bool) -> Result<Bytes, LogError>;

    /// What the event's metadata says about the call that caused it.
    fn trace_context<'e>(&self, event: &'e Event) -> Result<TraceContext<'e>, LogError>;
}

/// The call that caused an event. What is empty gets no header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceContext<'e> {
    pub correlation_id: &'e str,
    pub traceparent: &'e str,
}

/// Makes messages of events.
pub(crate) struct Framing {
    /// Identity of the store in hexadecimal: positions count within it.
    store: Bytes,
}

impl Framing {
    pub(crate) fn new(incarnation: Incarnation) -> Self {
        let store: String = incarnation.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { store: store.into() }
    }

    /// An event that is larger than `bytes_max`, or stands at the position `without_data`, goes without its
    /// data. The header `claim-check` says so, and readers fetch the data from the service.
    pub(crate) fn message<C: Encoder>(
        &self,
        encoder: &C,
        event: &Event,
        bytes_max: usize,
        without_data: Option<Position>,
    ) -> Result<Message, LogError> {
        let message = self.frame(encoder, event, encoder.payload(event, true)?)?;
        if message.size_bytes() <= bytes_max && without_data != Some(event.position) {
            return Ok(message);
        }
        let mut message = self.frame(encoder, event, encoder.payload(event, false)?)?;
        message.headers.push(Header { name: "claim-check", value: Bytes::from_static(b"true") });
        Ok(message)
    }

    fn frame<C: Encoder>(
        &self,
        encoder: &C,
        event: &Event,
        payload: Bytes,
    ) -> Result<Message, LogError> {
        let content_type = encoder.content_type();
        let TraceContext { correlation_id, traceparent } = encoder.trace_context(event)?;
        let stream = event.stream.as_str();
        let given = stream.len() + correlation_id.len() + traceparent.len();
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
        let given = [("traceparent", traceparent), ("x-correlation-id", correlation_id)];
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        headers.extend(given.map(|(name, value)| Header { name, value: texts.put(value) }));
        Ok(Message {
            topic: encoder.topic(event),
            key,
            payload,
            headers,
            lane: event.lane.0,
            position: event.position,
        })
    }
}

/// Texts that share one allocation.
struct Texts(BytesMut);

impl Texts {
    fn put(&mut self, text: impl Display) -> Bytes {
        // Writing to memory does not fail.
        let _ = write!(self.0, "{text}");
        self.0.split().freeze()
    }
}
