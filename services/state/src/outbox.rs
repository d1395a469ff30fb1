//! Events as the messages that readers of the bus get.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_contracts::common::v1::Role;
use gamemesh_documents::encoding;
use gamemesh_outbox::{Encoder, TraceContext};
use gamemesh_repository::{Event, LogError};

use crate::config::{EventsFormat, StateConfig};
use crate::convert;

/// Correlation id and trace context in the metadata of an event.
const TRACE_FIELDS: [u64; 2] = [1, 5];

/// Encodes an event as `AggregateEvent`, in protobuf or JSON.
pub(crate) struct EventEncoder {
    topic: Arc<str>,
    format: EventsFormat,
    /// Another topic begins at the beginning of the log.
    cursor: String,
}

impl EventEncoder {
    pub(crate) fn new(config: &StateConfig) -> Self {
        Self {
            topic: config.events_topic.as_str().into(),
            format: config.events_format,
            cursor: format!("relay:{}", config.events_topic),
        }
    }
}

impl Encoder for EventEncoder {
    fn cursor(&self) -> &str {
        &self.cursor
    }

    fn topics(&self) -> Vec<Arc<str>> {
        vec![self.topic.clone()]
    }

    fn topic(&self, _: &Event) -> Arc<str> {
        self.topic.clone()
    }

    fn content_type(&self) -> &'static str {
        match self.format {
            EventsFormat::Protobuf => "application/protobuf",
            EventsFormat::Json => "application/json",
        }
    }

    fn payload(&self, event: &Event, with_data: bool) -> Result<Bytes, LogError> {
        if self.format == EventsFormat::Protobuf {
            return Ok(convert::event_wire::bytes(event, with_data)?.into());
        }
        let mut public = convert::aggregate::to_event(event, Role::Admin)?;
        if !with_data {
            public.data = None;
        }
        Ok(convert::event_json::text(&public).into())
    }

    fn trace_context<'e>(&self, event: &'e Event) -> Result<TraceContext<'e>, LogError> {
        let [correlation_id, traceparent] = encoding::texts(&event.meta, TRACE_FIELDS)?;
        Ok(TraceContext { correlation_id, traceparent })
    }
}
