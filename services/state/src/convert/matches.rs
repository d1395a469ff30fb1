//! Matches: `MatchState` and the state of an aggregate of type `match`.

use gamemesh_contracts::state::v1::MatchState;
use gamemesh_domain::Result;
use gamemesh_domain::document::{
    Aggregate, Map, Operation, Schema, Value, format_timestamp, parse_timestamp,
};
use prost_types::{FieldMask, Struct, Timestamp};

use super::time::{from_timestamp, to_timestamp};
use super::value::{from_struct, to_struct};

/// What a mask can name, and where it lies in the state.
const FIELDS: [(&str, &str); 6] = [
    ("phase", "phase"),
    ("players", "players"),
    ("events", "events"),
    ("statistics", "statistics"),
    ("started_at", "started_at"),
    ("ended_at", "ended_at"),
];

pub(crate) fn to_match(id: &str, aggregate: &Aggregate) -> MatchState {
    let state = &aggregate.state;
    let document = |name| Some(state.child(name).map(to_struct).unwrap_or_default());
    let time = |name| {
        let text = state.child(name).and_then(Value::as_text)?;
        parse_timestamp(text).map(to_timestamp)
    };
    MatchState {
        match_id: id.to_owned(),
        phase: state.child("phase").and_then(Value::as_text).unwrap_or_default().to_owned(),
        players: document("players"),
        events: (state.child("events").and_then(Value::as_list).unwrap_or_default().iter())
            .map(to_struct)
            .collect(),
        statistics: document("statistics"),
        started_at: time("started_at"),
        ended_at: time("ended_at"),
        created_at: Some(to_timestamp(aggregate.created_at_us)),
        last_updated: Some(to_timestamp(aggregate.updated_at_us)),
        version: aggregate.version as i64,
    }
}

/// The state that a message describes; what it leaves out is left out.
pub(crate) fn from_match(message: MatchState) -> Result<Value> {
    let mut state = Map::new();
    if !message.phase.is_empty() {
        state.insert("phase", message.phase.into());
    }
    insert(&mut state, "players", message.players)?;
    insert(&mut state, "statistics", message.statistics)?;
    let events = message.events.into_iter().map(|event| from_struct("match.events", event));
    state.insert("events", events.collect::<Result<Vec<_>>>()?.into());
    insert_time(&mut state, "started_at", "match.startedAt", message.started_at)?;
    insert_time(&mut state, "ended_at", "match.endedAt", message.ended_at)?;
    Ok(state.into())
}

/// Operations that bring the fields of a mask to what a state has there.
pub(crate) fn masked(mask: &FieldMask, state: &Value, schema: &Schema) -> Result<Vec<Operation>> {
    super::aggregate::masked(mask, state, &FIELDS, schema)
}

fn insert(state: &mut Map, name: &'static str, document: Option<Struct>) -> Result<()> {
    if let Some(document) = document {
        state.insert(name, from_struct(&format!("match.{name}"), document)?);
    }
    Ok(())
}

fn insert_time(
    state: &mut Map,
    name: &'static str,
    field: &str,
    time: Option<Timestamp>,
) -> Result<()> {
    if let Some(time) = time {
        state.insert(name, format_timestamp(from_timestamp(field, &time)?).into());
    }
    Ok(())
}
