use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Error, Result};
use prost::Message as _;

use super::answer::Answer;
use crate::convert::event::{self, Place};
use crate::convert::results;
use crate::engine::Engine;
use crate::engine::ingest::{EVENTS_MAX, Item, Origin, Outcome};
use crate::metrics::Source;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::IngestBatchRequest,
) -> Result<Answer<pb::IngestBatchResponse>> {
    let bytes = request.encoded_len();
    let pb::IngestBatchRequest { events, producer_id, epoch, first_sequence, every_result } =
        request;
    let batch = Batch::of(events, producer_id, epoch, first_sequence)?;
    let (producer, ids) = (batch.origin.producer.clone(), batch.ids);
    let outcomes = engine.ingest(Source::Grpc, batch.origin, batch.items, bytes, None).await?;
    let mut tally = pb::EventTally::default();
    results::tally(&mut tally, &outcomes);
    let told = |outcome: &Outcome| every_result || *outcome != Outcome::Counted;
    let results = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| told(outcome))
        .map(|(index, outcome)| results::result(index as u64, &ids[index], outcome))
        .collect();
    let durable_sequence = engine.producers.durable(&producer, epoch);
    Ok(Answer::new(pb::IngestBatchResponse { tally: Some(tally), results, durable_sequence }))
}

/// Events of one request, looked at one by one.
pub(super) struct Batch {
    pub(super) origin: Origin,
    pub(super) items: Vec<Item>,
    /// As they were sent.
    pub(super) ids: Vec<String>,
}

impl Batch {
    pub(super) fn of(
        events: Vec<pb::MatchEvent>,
        producer: String,
        epoch: u32,
        first_sequence: u64,
    ) -> Result<Self> {
        if events.len() > EVENTS_MAX {
            return Err(Error::invalid("events", format!("accepts at most {EVENTS_MAX} events")));
        }
        if producer.len() > 128 {
            return Err(Error::invalid("producerId", "accepts at most 128 bytes"));
        }
        if first_sequence > 0 && producer.is_empty() {
            return Err(Error::invalid("producerId", "is required with firstSequence"));
        }
        let mut place = Place { producer, epoch, sequence: first_sequence };
        let (mut items, mut ids) =
            (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
        for mut event in events {
            let sequence = (first_sequence > 0).then_some(place.sequence);
            let id = std::mem::take(&mut event.event_id);
            items.push(Item {
                samplable: event.samplable,
                event: event::from_wire(event, &id, sequence.map(|_| &place)),
                sequence,
            });
            ids.push(id);
            place.sequence = place.sequence.saturating_add(1);
        }
        let origin = Origin { producer: place.producer, epoch, offsets: Vec::new() };
        Ok(Self { origin, items, ids })
    }
}
