//! Events over REST: an object as in the contract, an array of events, or NDJSON, each with a result for
//! every event.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use gamemesh_domain::stats::Event;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::error::to_http;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};

use crate::REQUEST_BYTES_MAX;
use crate::convert::event::Place;
use crate::convert::{document, results};
use crate::engine::Engine;
use crate::engine::ingest::{EVENTS_MAX, Item, Origin, Outcome};
use crate::metrics::Source;

pub(crate) fn router(engine: Arc<Engine>) -> Router {
    Router::new().route("/api/v1/match-stats/events", post(ingest)).with_state(engine)
}

async fn ingest(State(engine): State<Arc<Engine>>, headers: HeaderMap, body: Body) -> Response {
    match answer(&engine, &headers, body).await {
        Ok(answer) => answer,
        Err(error) => to_http(&error),
    }
}

async fn answer(engine: &Engine, headers: &HeaderMap, body: Body) -> Result<Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind =
        kind.map_or("application/json", |kind| kind.split(';').next().unwrap_or(kind).trim());
    let lines = match kind {
        "application/json" => false,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => true,
        _ => {
            return Err(Error::new(
                Code::UnsupportedMediaType,
                "events are application/json or application/x-ndjson",
            ));
        }
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Error::new(
            Code::UnsupportedMediaType,
            "send the body without content-encoding",
        ));
    }
    // Room first, then the body: what there is no room for is let pass by.
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let room = match engine.room(length.unwrap_or(REQUEST_BYTES_MAX).min(REQUEST_BYTES_MAX)) {
        Ok(room) => room,
        Err(error) => {
            discard(body).await;
            return Err(error);
        }
    };
    let body = read(body).await?;
    let mut request = if lines { of_lines(&body)? } else { of_document(&body)? };
    if request.events.len() > EVENTS_MAX {
        return Err(Error::invalid("events", format!("accepts at most {EVENTS_MAX} events")));
    }
    let (mut items, mut ids) = (Vec::new(), Vec::new());
    for (index, value) in std::mem::take(&mut request.events).into_iter().enumerate() {
        let place = request.place(index);
        let (event, samplable, id) = parse(value, place.as_ref());
        ids.push(id);
        items.push(Item { event, samplable, sequence: place.map(|place| place.sequence) });
    }
    let Request { origin, .. } = request;
    let producer = origin.clone();
    let outcomes = engine.ingest(Source::Rest, origin, items, body.len(), Some(room)).await?;
    Ok((StatusCode::OK, Json(told(engine, &producer, &ids, &outcomes))).into_response())
}

fn told(engine: &Engine, origin: &Origin, ids: &[String], outcomes: &[Outcome]) -> Value {
    let mut tally = gamemesh_contracts::stats::v1::EventTally::default();
    results::tally(&mut tally, outcomes);
    let each: Vec<Value> = outcomes
        .iter()
        .zip(ids)
        .enumerate()
        .map(|(index, (outcome, id))| {
            let result = results::result(index as u64, id, outcome);
            let mut told = json!({
                "index": index.to_string(),
                "status": result.status().as_str_name(),
                "eventId": result.event_id,
            });
            for (name, text) in
                [("reason", result.reason), ("message", result.message), ("field", result.field)]
            {
                if !text.is_empty() {
                    told[name] = text.into();
                }
            }
            told
        })
        .collect();
    let durable = engine.producers.durable(&origin.producer, origin.epoch);
    json!({
        "tally": {
            "counted": tally.counted.to_string(),
            "late": tally.late.to_string(),
            "duplicates": tally.duplicates.to_string(),
            "conflicts": tally.conflicts.to_string(),
            "refused": tally.refused.to_string(),
            "shed": tally.shed.to_string(),
        },
        "results": each,
        "durableSequence": durable.to_string(),
    })
}

/// A request before its events are looked at.
#[derive(Default)]
struct Request {
    events: Vec<Result<Value>>,
    origin: Origin,
    first_sequence: u64,
}

impl Request {
    fn place(&self, index: usize) -> Option<Place> {
        (self.first_sequence > 0).then(|| Place {
            producer: self.origin.producer.clone(),
            epoch: self.origin.epoch,
            sequence: self.first_sequence.saturating_add(index as u64),
        })
    }
}

fn parse(value: Result<Value>, place: Option<&Place>) -> (Result<Event>, bool, String) {
    match value {
        Ok(Value::Object(object)) => {
            let id = ["event_id", "eventId"].iter().find_map(|name| object.get(*name)?.as_str());
            let (id, samplable) =
                (id.unwrap_or_default().to_owned(), document::is_samplable(&object));
            (document::event(object, place), samplable, id)
        }
        Ok(_) => {
            (Err(Error::new(Code::MalformedBody, "an event is an object")), false, String::new())
        }
        Err(error) => (Err(error), false, String::new()),
    }
}

/// One event a line; a line that is no JSON is refused by itself.
fn of_lines(body: &[u8]) -> Result<Request> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let events = lines.map(|line| serde_json::from_slice(line).map_err(|e| malformed(&e)));
    Ok(Request { events: events.collect(), ..Request::default() })
}

fn of_document(body: &[u8]) -> Result<Request> {
    match serde_json::from_slice(body).map_err(|error| malformed(&error))? {
        Value::Array(events) => {
            Ok(Request { events: events.into_iter().map(Ok).collect(), ..Request::default() })
        }
        Value::Object(object) if object.contains_key("events") => of_message(object),
        Value::Object(event) => {
            Ok(Request { events: vec![Ok(Value::Object(event))], ..Request::default() })
        }
        _ => Err(Error::new(
            Code::MalformedBody,
            "a body is an event, an array of events, or {events}",
        )),
    }
}

/// The message of the contract.
fn of_message(mut object: Map<String, Value>) -> Result<Request> {
    let mut take = |names: [&str; 2]| names.iter().find_map(|name| object.remove(*name));
    let Some(Value::Array(events)) = take(["events", "events"]) else {
        return Err(Error::invalid("events", "accepts an array"));
    };
    let producer = match take(["producer_id", "producerId"]) {
        None => String::new(),
        Some(Value::String(producer)) if producer.len() <= 128 => producer,
        Some(_) => return Err(Error::invalid("producerId", "accepts text of at most 128 bytes")),
    };
    let mut number = |field: &str, names| {
        match take(names) {
            None => Ok(0),
            Some(Value::Number(number)) => number.as_u64().ok_or(()),
            Some(Value::String(text)) => text.parse().map_err(|_| ()),
            Some(_) => Err(()),
        }
        .map_err(|()| Error::invalid(field, "accepts whole numbers from 0 on"))
    };
    let epoch = number("epoch", ["epoch", "epoch"])?;
    let first_sequence = number("firstSequence", ["first_sequence", "firstSequence"])?;
    let epoch = u32::try_from(epoch).map_err(|_| Error::invalid("epoch", "accepts 32 bits"))?;
    if first_sequence > 0 && producer.is_empty() {
        return Err(Error::invalid("producerId", "is required with firstSequence"));
    }
    let events = events.into_iter().map(Ok).collect();
    let origin = Origin { producer, epoch, offsets: Vec::new() };
    Ok(Request { events, origin, first_sequence })
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::new(Code::MalformedBody, format!("this is no JSON: {error}"))
}

/// Lets a body pass by: who is still sending it would see a broken connection instead of the answer.
async fn discard(body: Body) {
    let mut body = Limited::new(body, REQUEST_BYTES_MAX);
    while let Some(Ok(_)) = body.frame().await {}
}

async fn read(body: Body) -> Result<Bytes> {
    let limited = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    limited.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let what = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
            return Error::new(Code::PayloadTooLarge, what);
        }
        Error::new(Code::MalformedBody, "the body broke off").with_context(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that is one bit off for one double in ten would count something else than was sent.
    #[test]
    fn doubles_are_read_as_they_are_written() {
        let mut seed = 7_u64;
        let mut doubles = vec![5.764_607_523_034_235e39, 0.1 + 0.2, 26.999_999_999_999_996];
        while doubles.len() < 5_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            doubles.extend(Some(f64::from_bits(seed)).filter(|double| double.is_finite()));
        }
        for double in doubles {
            let body = format!("{{\"x\": {double:?}}}");
            for read in [of_lines(body.as_bytes()), of_document(body.as_bytes())] {
                let event = read.unwrap().events.remove(0).unwrap();
                let number = event["x"].as_f64().map(f64::to_bits);
                assert_eq!(number, Some(double.to_bits()), "{double:e}");
            }
        }
    }
}
