//! An event as the message that readers of the topic get.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_bus::{Header, Message};
use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_repository::{Event, Incarnation, LogError, Position};
use prost::Message as _;

use crate::config::{EventsFormat, StateConfig};
use crate::convert;

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
        let mut public = convert::aggregate::to_event(event)?;
        let message = self.carry(event, self.payload(&public), public.metadata.as_ref());
        if message.size_bytes() <= bytes_max && claim != Some(event.position) {
            return Ok(message);
        }
        public.data = None;
        let mut message = self.carry(event, self.payload(&public), public.metadata.as_ref());
        message.headers.push(Header { name: "claim-check", value: Bytes::from_static(b"true") });
        Ok(message)
    }

    fn payload(&self, event: &pb::AggregateEvent) -> Bytes {
        match self.format {
            EventsFormat::Protobuf => event.encode_to_vec().into(),
            EventsFormat::Json => convert::event_json::text(event).into(),
        }
    }

    fn carry(&self, event: &Event, payload: Bytes, metadata: Option<&EventMetadata>) -> Message {
        let header = |name, value: String| Header { name, value: value.into() };
        let content_type = match self.format {
            EventsFormat::Protobuf => "application/protobuf",
            EventsFormat::Json => "application/json",
        };
        let mut headers = vec![
            Header { name: "content-type", value: Bytes::from_static(content_type.as_bytes()) },
            header("event-id", event.id.to_string()),
            header("stream", event.stream.as_str().to_owned()),
            header("version", event.version.to_string()),
            Header { name: "store", value: self.store.clone() },
            header("lane", event.lane.0.to_string()),
            header("position", event.position.to_string()),
        ];
        if let Some(metadata) = metadata {
            let given = [
                ("traceparent", &metadata.traceparent),
                ("x-correlation-id", &metadata.correlation_id),
            ];
            let given = given.into_iter().filter(|(_, value)| !value.is_empty());
            headers.extend(given.map(|(name, value)| header(name, value.clone())));
        }
        Message {
            topic: self.topic.clone(),
            key: Bytes::copy_from_slice(event.stream.as_str().as_bytes()),
            payload,
            headers,
            lane: event.lane.0,
            position: event.position,
        }
    }
}
