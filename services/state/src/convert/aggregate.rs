//! Aggregates and their events.

use gamemesh_contracts::common::v1::{EventMetadata, Role};
use gamemesh_contracts::method::Masked as _;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::encoding;
use gamemesh_domain::document::{
    Aggregate, AggregateId, AggregateType, Change, FieldPath, Map, Operation, Schema, Value,
};
use gamemesh_domain::{Detail, Error, Result};
use gamemesh_repository::{Event, LogError, StreamName};
use prost::Message as _;
use prost_types::FieldMask;

use super::time::to_timestamp;
use super::value::{to_struct, to_value};

/// The stream of an aggregate, once its type and id are well-formed.
pub(crate) fn stream(aggregate_type: &str, id: &str) -> Result<StreamName> {
    AggregateType::check(aggregate_type)?;
    AggregateId::check(id)?;
    Ok(StreamName::new(aggregate_type, id))
}

/// The stream of an aggregate whose id a request calls by another name, such as `playerId`.
pub(crate) fn stream_named(aggregate_type: &str, field: &str, id: &str) -> Result<StreamName> {
    stream(aggregate_type, id).map_err(|error| match error.details.first() {
        Some(Detail::Field { description, .. }) => Error::invalid(field, description.as_str()),
        _ => error,
    })
}

pub(crate) fn to_aggregate(stream: &StreamName, aggregate: &Aggregate) -> pb::Aggregate {
    pb::Aggregate {
        r#type: stream.category().to_owned(),
        id: stream.key().to_owned(),
        state: Some(to_struct(&aggregate.state)),
        version: aggregate.version as i64,
        created_at: Some(to_timestamp(aggregate.created_at_us)),
        updated_at: Some(to_timestamp(aggregate.updated_at_us)),
    }
}

/// The event as this role reads it.
pub(crate) fn to_event(event: &Event, reader: Role) -> Result<pb::AggregateEvent, LogError> {
    let data = data(encoding::decode_change(&event.data)?);
    let mut metadata = EventMetadata::decode(event.meta.clone())
        .map_err(|error| LogError::Corrupted(format!("{}: {error}", event.stream)))?;
    metadata.mask(reader);
    Ok(pb::AggregateEvent {
        r#type: event.stream.category().to_owned(),
        id: event.stream.key().to_owned(),
        version: event.version as i64,
        lane: event.lane.0.into(),
        position: event.position as i64,
        event_id: event.id.to_string(),
        kind: event.kind.to_string(),
        time: Some(to_timestamp(event.time_us)),
        data: Some(to_value(&data)),
        metadata: Some(metadata),
    })
}

/// What belongs to an event, in the form in which callers see it.
pub(super) fn data(change: Change) -> Value {
    match change {
        Change::Created(value) | Change::Merged(value) | Change::Replaced(value) => value,
        Change::Operated(operations) => {
            Value::from(operations.iter().map(operation_to_value).collect::<Vec<_>>())
        }
        Change::Deleted => Value::Null,
        Change::RolledBack { to_version, state } => {
            let version = Value::int(to_version as i64).unwrap_or_default();
            Map::from([("toVersion", version), ("state", state.unwrap_or_default())]).into()
        }
        Change::Noted { data, .. } => data,
    }
}

/// An operation in the form in which callers write it.
fn operation_to_value(operation: &Operation) -> Value {
    let (name, mut fields) = match operation {
        Operation::Set { value, .. } => ("set", vec![("value", value.clone())]),
        Operation::Maximum { value, .. } => ("maximum", vec![("value", value.clone())]),
        Operation::Minimum { value, .. } => ("minimum", vec![("value", value.clone())]),
        Operation::Remove { .. } => ("remove", vec![]),
        Operation::Append { values, length_max, .. } => {
            let mut fields = vec![("values", Value::from(values.clone()))];
            if let Some(length) = length_max {
                fields.push(("lengthMax", Value::Int((*length).into())));
            }
            ("append", fields)
        }
        Operation::AddToSet { values, .. } => {
            ("addToSet", vec![("values", Value::from(values.clone()))])
        }
        Operation::RemoveFromSet { values, .. } => {
            ("removeFromSet", vec![("values", Value::from(values.clone()))])
        }
        Operation::Increment(increment) => {
            let mut fields = vec![("by", Value::from(increment.by))];
            fields.extend(increment.min.map(|min| ("min", min.into())));
            fields.extend(increment.max.map(|max| ("max", max.into())));
            fields.extend(increment.clamp.then_some(("clamp", true.into())));
            ("increment", fields)
        }
    };
    fields.push(("path", Value::from(operation.path().as_str())));
    Map::from([(name, Map::from_iter(fields))]).into()
}

/// Operations that bring the fields of a mask to what `state` has there. `fields` gives the names that
/// a mask can use and where they lie; below a document a mask may name an entry.
pub(super) fn masked(
    mask: &FieldMask,
    state: &Value,
    fields: &[(&str, &str)],
    schema: &Schema,
) -> Result<Vec<Operation>> {
    let operation = |path: &String| {
        let (name, entry) = path.split_once('.').map_or((&**path, None), |(n, e)| (n, Some(e)));
        let Some((_, place)) = fields.iter().find(|(field, _)| *field == name) else {
            let names: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
            let what = format!("{path:?} is no field; accepts {}", names.join(", "));
            return Err(Error::invalid("updateMask", what));
        };
        let place = entry.map_or_else(|| (*place).to_owned(), |entry| format!("{place}.{entry}"));
        let path: FieldPath =
            place.parse().map_err(|error: Error| Error::invalid("updateMask", error.message))?;
        // What is absent becomes what a new one has there.
        let declared = schema.declaration().fields.iter().find(|field| field.path == path);
        let value = state.get(&path).or_else(|| declared?.default.as_ref()).cloned();
        Ok(match value {
            Some(value) => Operation::Set { path, value },
            None => Operation::Remove { path },
        })
    };
    mask.paths.iter().map(operation).collect()
}
