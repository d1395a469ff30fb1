//! Events from the bus. Offsets are kept in the log with the events that they stand behind, so that both
//! are there or neither; the broker is told for its lag display only.

mod combat;

use std::sync::Arc;
use std::time::Duration;

use gamemesh_bus::{
    CommitOffset, Consumer, ConsumerEvent, ConsumerOptions, Consumers, ReceivedMessage,
};
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use prost::Message as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::block::Offset;
use crate::convert::document;
use crate::convert::event::{self, Place};
use crate::engine::Engine;
use crate::engine::ingest::{Item, Origin};
use crate::metrics::Source;

/// How long a bus that does not answer is left alone.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Reads the topics until `stop`. Whatever goes wrong is tried again: nothing is lost by waiting.
pub(crate) async fn run(
    engine: Arc<Engine>,
    consumers: Arc<dyn Consumers>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let consumed = tokio::select! {
            consumed = consume(&engine, &*consumers) => consumed,
            () = stop.cancelled() => return,
        };
        if let Err(error) = consumed {
            tracing::warn!(%error, "events cannot be consumed");
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_DELAY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn consume(engine: &Arc<Engine>, consumers: &dyn Consumers) -> Result<()> {
    let config = &engine.config;
    let topics = [config.events_topic.as_str(), config.combat_topic.as_str()];
    let options = ConsumerOptions::default();
    let mut consumer = consumers.consumer(&config.consumer_group, &topics, options).await?;
    loop {
        match consumer.next().await? {
            ConsumerEvent::Assigned { partitions, .. } => {
                for partition in partitions {
                    // What is in the log is known better here than by the broker.
                    let known = engine.producers.offset(&partition.topic, partition.partition);
                    if let Some(next) = known.and_then(|next| u64::try_from(next).ok()) {
                        consumer.seek(&partition, next)?;
                    }
                }
            }
            // Messages are dealt with before the next are asked for: nothing is under way.
            ConsumerEvent::Revoked(_) | ConsumerEvent::Lost(_) => {}
            ConsumerEvent::Messages(messages) => take(engine, &mut *consumer, messages).await?,
        }
    }
}

/// Events to the log, with how far their partitions are read.
async fn take(
    engine: &Arc<Engine>,
    consumer: &mut dyn Consumer,
    messages: Vec<ReceivedMessage>,
) -> Result<()> {
    let bytes = messages.iter().map(ReceivedMessage::size_bytes).sum();
    let mut commits: Vec<CommitOffset> = Vec::new();
    let mut items = Vec::new();
    for message in &messages {
        let next = message.next_offset();
        match commits.iter_mut().find(|commit| commit.partition == next.partition) {
            Some(commit) => commit.offset = commit.offset.max(next.offset),
            None => commits.push(next),
        }
        items.extend(items_of(engine, message));
    }
    let offsets = commits.iter().map(|commit| Offset {
        topic: commit.partition.topic.to_string(),
        partition: commit.partition.partition,
        next: i64::try_from(commit.offset).unwrap_or(i64::MAX),
    });
    let origin = Origin { offsets: offsets.collect(), ..Origin::default() };
    // Until there is room nothing is read.
    let room = engine.wait_for_room(bytes).await?;
    engine.ingest(Source::Bus, origin, items, bytes, Some(room)).await?;
    match consumer.commit(&commits).await {
        // Somebody else has the partition now; what he reads again counts once.
        Ok(()) | Err(gamemesh_bus::ConsumeError::Fenced) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The events of a message; a message that is none is set aside, and counted as refused.
fn items_of(engine: &Engine, message: &ReceivedMessage) -> Vec<Item> {
    let is_combat = *message.partition.topic == *engine.config.combat_topic;
    let read = if is_combat { combat::items(&message.payload) } else { own(message) };
    read.unwrap_or_else(|error| {
        tracing::debug!(%error, partition = %message.partition, offset = message.offset, "no event");
        vec![Item { event: Err(error), samplable: false, sequence: None }]
    })
}

/// JSON, one event or an array of them, or the messages `MatchEvent` and `IngestBatchRequest`.
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
            let event = pb::MatchEvent::decode(message.payload.clone())
                .map_err(|error| Error::new(Code::MalformedBody, error.to_string()))?;
            let samplable = event.samplable;
            Ok(vec![item(event::from_wire(event, Some(&place(0))), samplable)])
        }
    }
}
