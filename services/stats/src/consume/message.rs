//! Messages of the bus as events.

use gamemesh_bus::ReceivedMessage;
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;
use serde_json::Value;

use super::combat;
use crate::convert::document;
use crate::convert::event::{self, Place};
use crate::engine::Engine;
use crate::engine::ingest::Item;

/// The events of a message; a message that is none is set aside, and counted as refused.
pub(super) fn items(engine: &Engine, message: &ReceivedMessage) -> Vec<Item> {
    let is_combat = *message.partition.topic == *engine.config.combat_topic;
    let read = if is_combat { combat::items(&message.payload) } else { own(message) };
    read.unwrap_or_else(|error| {
        tracing::debug!(%error, partition = %message.partition, offset = message.offset, "no event");
        vec![Item { event: Err(error), samplable: false, sequence: None }]
    })
}

/// JSON, one event or an array of them, or the message `MatchEvent`.
fn own(message: &ReceivedMessage) -> Result<Vec<Item>> {
    let place = |index: usize| Place {
        producer: message.partition.to_string(),
        epoch: u32::try_from(index).unwrap_or(u32::MAX),
        sequence: message.offset + 1,
    };
    let item = |event, samplable| Item { event, samplable, sequence: None };
    match message.payload.first() {
        None => Err(Error::new(Code::MalformedBody, "an empty message")),
        Some(b'{' | b'[') => {
            let value: Value = serde_json::from_slice(&message.payload)
                .map_err(|error| Error::new(Code::MalformedBody, error.to_string()))?;
            let events = match value {
                Value::Array(events) => events,
                event => vec![event],
            };
            Ok(events
                .into_iter()
                .enumerate()
                .map(|(index, event)| match event {
                    Value::Object(object) => {
                        let samplable = document::is_samplable(&object);
                        item(document::event(object, Some(&place(index))), samplable)
                    }
                    _ => item(Err(Error::new(Code::MalformedBody, "an event is an object")), false),
                })
                .collect())
        }
        Some(_) => {
            let mut event = pb::MatchEvent::decode(message.payload.clone())
                .map_err(|error| Error::new(Code::MalformedBody, error.to_string()))?;
            let (id, samplable) = (std::mem::take(&mut event.event_id), event.samplable);
            Ok(vec![item(event::from_wire(event, &id, Some(&place(0))), samplable)])
        }
    }
}
