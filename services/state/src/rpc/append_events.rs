use std::sync::Arc;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{Action, Part, Write};
use gamemesh_domain::document::{Command, Expectation};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;
use uuid::Uuid;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

const EVENTS_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::AppendEventsRequest,
) -> Result<Answer<pb::AppendEventsResponse>> {
    let idempotency = caller.idempotency("AppendEvents", &request.idempotency_key, &request)?;
    // Events are appended to a history, also to that of an aggregate which does not exist: here version
    // 0 is the empty history, so that a retry is told from a first try.
    let expected = match caller.expectation(request.expected_version, request.must_exist)? {
        Expectation::Version(0) => Expectation::NoEvents,
        expected => expected,
    };
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let (stream, schema) = parse::target(&engine, &request.r#type, &request.id)?;
    if !(1..=EVENTS_MAX).contains(&request.events.len()) {
        return Err(Error::invalid("events", format!("accepts 1 to {EVENTS_MAX}")));
    }
    let event_ids = ids(&request.events)?;
    let notes = request.events.into_iter().enumerate().map(|(at, event)| note(at, event));
    let action = Action::Commands(notes.collect::<Result<_>>()?);
    let part = Part { stream, schema, expected, action, event_ids };
    let written =
        engine.documents.write(Write { parts: vec![part], idempotency, metadata }).await?;
    let [part] = &*written.parts else {
        return Err(Error::internal("one part was written and another number answered"));
    };
    let write = parse::result(&engine, &written, part);
    let message = pb::AppendEventsResponse {
        write: Some(write.clone()),
        first_version: part.first_version as i64,
    };
    Ok(Answer::written(message, &write))
}

/// The ids that the caller chose: all or none, so that a retry can be recognised as a whole.
fn ids(events: &[pb::NewAggregateEvent]) -> Result<Vec<Uuid>> {
    if events.iter().all(|event| event.event_id.is_empty()) {
        return Ok(Vec::new());
    }
    let numbered = events.iter().enumerate();
    let ids: Vec<Uuid> = numbered
        .map(|(at, event)| {
            Uuid::parse_str(&event.event_id).map_err(|_| {
                let what = "accepts a UUID, for every event or for none";
                Error::invalid(format!("events[{at}].eventId"), what)
            })
        })
        .collect::<Result<_>>()?;
    for (at, id) in ids.iter().enumerate() {
        if ids[..at].contains(id) {
            return Err(Error::invalid(format!("events[{at}].eventId"), "is given twice"));
        }
    }
    Ok(ids)
}

fn note(at: usize, event: pb::NewAggregateEvent) -> Result<Command> {
    let field = format!("events[{at}].data");
    let data = convert::value::from_value(&field, event.data.unwrap_or_default())?;
    Ok(Command::Note { kind: event.kind, data })
}
