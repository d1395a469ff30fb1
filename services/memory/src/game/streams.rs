//! Streams of events under names of the caller.

use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::encoding;
use gamemesh_domain::document::{Change, Command, Map, Value};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{Direction, Event, Idempotency, StreamName, Version};
use prost::Message as _;
use uuid::Uuid;

use super::{Game, STREAM};
use crate::convert::time::to_timestamp;
use crate::convert::value::{from_struct, to_struct};

/// Events of one request.
const EVENTS_MAX: usize = 1_000;

/// Events of a stream that can be replayed.
const REPLAYED_MAX: u64 = 1_000_000;

/// Events that are read at once.
const READ_AT_ONCE: usize = 1_024;

/// What the server itself notes in a stream.
const OWN_KINDS: &str = "gamemesh.";
const ROLLED_BACK: &str = "gamemesh.rolled_back";

impl Game {
    pub(crate) fn events_stream(&self, id: &str) -> Result<StreamName> {
        self.stream(STREAM, "streamId", id)
    }

    /// Commands and ids of events.
    pub(crate) fn notes(&self, events: Vec<pb::StreamEvent>) -> Result<(Vec<Command>, Vec<Uuid>)> {
        if !(1..=EVENTS_MAX).contains(&events.len()) {
            return Err(Error::invalid("events", format!("accepts 1 to {EVENTS_MAX}")));
        }
        let with_id = events.iter().filter(|event| !event.event_id.is_empty()).count();
        if with_id != 0 && with_id != events.len() {
            return Err(Error::invalid("events", "have an id of yours all or none"));
        }
        let (mut commands, mut ids) = (Vec::new(), Vec::new());
        for (at, event) in events.into_iter().enumerate() {
            let name = |field: &str| format!("events[{at}].{field}");
            if event.kind.starts_with(OWN_KINDS) {
                let what = "accepts names that do not begin with `gamemesh.`";
                return Err(Error::invalid(name("kind"), what));
            }
            if with_id > 0 {
                let id = Uuid::parse_str(&event.event_id)
                    .map_err(|_| Error::invalid(name("eventId"), "accepts a UUID"))?;
                if ids.contains(&id) {
                    return Err(Error::invalid(name("eventId"), "is given twice"));
                }
                ids.push(id);
            }
            let data = Value::Map(from_struct(&name("data"), event.data.unwrap_or_default())?);
            commands.push(Command::Note { kind: event.kind, data });
        }
        Ok((commands, ids))
    }

    /// The note that takes a stream back.
    pub(crate) fn rollback(&self, to: Version) -> Result<Command> {
        let data = Map::from_entries(vec![("to_version", Value::int(to as i64)?)]);
        Ok(Command::Note { kind: ROLLED_BACK.to_owned(), data: data.into() })
    }

    /// The versions that count up to a version: what was rolled back is left out.
    pub(crate) async fn effective(&self, stream: &StreamName, to: Version) -> Result<Vec<Version>> {
        if to > REPLAYED_MAX {
            let message = format!("a stream of {to} events; at most {REPLAYED_MAX} are replayed");
            return Err(Error::new(Code::OutOfHistory, message));
        }
        // After each version: the last event that counts, and after it the one before.
        let mut last: Vec<usize> = vec![0];
        let mut before: Vec<usize> = vec![0];
        while (last.len() as u64) <= to {
            let from = last.len() as u64;
            let limit = READ_AT_ONCE.min((to - from + 1) as usize);
            let events = &self.documents.log;
            let events = events.read_stream(stream, from, limit, Direction::Forward).await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                let version = last.len();
                let previous = last[version - 1];
                before.push(previous);
                last.push(match rolled_back_to(event)? {
                    Some(to) if (to as usize) < version => last[to as usize],
                    Some(_) => previous,
                    None => version,
                });
            }
        }
        let mut versions = Vec::new();
        let mut at = last.last().copied().unwrap_or(0);
        while at > 0 {
            versions.push(at as Version);
            at = before[at];
        }
        versions.reverse();
        Ok(versions)
    }
}

fn rolled_back_to(event: &Event) -> Result<Option<Version>> {
    if &*event.kind != ROLLED_BACK {
        return Ok(None);
    }
    let Change::Noted { data, .. } = encoding::decode_change(&event.data)? else { return Ok(None) };
    Ok(data.child("to_version").and_then(Value::as_int).map(|version| version as Version))
}

/// Events that carry ids of the caller are one append, whatever version is expected.
pub(crate) fn by_ids(stream: &StreamName, ids: &[Uuid], request: &[u8]) -> Option<Idempotency> {
    if ids.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new_derive_key("gamemesh memory events by their ids");
    hasher.update(stream.as_str().as_bytes());
    ids.iter().for_each(|id| {
        hasher.update(id.as_bytes());
    });
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&blake3::hash(request).as_bytes()[..16]);
    Some(Idempotency { key: hasher.finalize().to_hex().to_string(), fingerprint })
}

pub(crate) fn to_event(event: &Event) -> Result<pb::StreamEvent> {
    let data = match encoding::decode_change(&event.data)? {
        Change::Noted { data: Value::Map(map), .. } => to_struct(&map),
        _ => prost_types::Struct::default(),
    };
    let metadata = EventMetadata::decode(event.meta.clone()).map_err(Error::internal)?;
    Ok(pb::StreamEvent {
        event_id: event.id.to_string(),
        kind: event.kind.to_string(),
        data: Some(data),
        version: event.version as i64,
        time: Some(to_timestamp(event.time_us)),
        metadata: Some(metadata),
    })
}
