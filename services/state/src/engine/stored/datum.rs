//! Values.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::state::{Map, Value};
use gamemesh_repository::LogError;

use super::damaged;

pub(crate) fn to_datum(value: &Value) -> pb::Datum {
    use pb::datum::Kind;
    let kind = match value {
        Value::Null => None,
        Value::Bool(value) => Some(Kind::Bool(*value)),
        Value::Int(value) => Some(Kind::Int(*value)),
        Value::Float(value) => Some(Kind::Float(value.get())),
        Value::Text(text) => Some(Kind::Text(text.to_string())),
        Value::List(items) => {
            Some(Kind::List(pb::DatumList { items: items.iter().map(to_datum).collect() }))
        }
        Value::Map(map) => {
            let entry = |(name, value): (&str, &Value)| pb::DatumEntry {
                name: name.to_owned(),
                value: Some(to_datum(value)),
            };
            Some(Kind::Map(pb::DatumMap { entries: map.iter().map(entry).collect() }))
        }
    };
    pb::Datum { kind }
}

pub(crate) fn from_datum(datum: pb::Datum) -> Result<Value, LogError> {
    use pb::datum::Kind;
    Ok(match datum.kind {
        None => Value::Null,
        Some(Kind::Bool(value)) => Value::Bool(value),
        Some(Kind::Int(value)) => Value::int(value).map_err(damaged)?,
        Some(Kind::Float(value)) => Value::number(value).map_err(damaged)?,
        Some(Kind::Text(text)) => Value::from(text),
        Some(Kind::List(list)) => {
            Value::List(list.items.into_iter().map(from_datum).collect::<Result<_, _>>()?)
        }
        Some(Kind::Map(map)) => {
            let entry = |entry: pb::DatumEntry| {
                Ok((entry.name.into(), from_datum(entry.value.unwrap_or_default())?))
            };
            let entries = map.entries.into_iter().map(entry).collect::<Result<_, LogError>>()?;
            Value::Map(Map::from_entries(entries))
        }
    })
}
