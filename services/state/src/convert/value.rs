//! Values: `google.protobuf.Value` and `Struct`.

use gamemesh_domain::document::{Map, Value};
use gamemesh_domain::{Code, Error, Result};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as PbValue};

pub(crate) fn to_struct(value: &Value) -> Struct {
    match value {
        Value::Map(map) => map_to_struct(map),
        _ => Struct::default(),
    }
}

pub(crate) fn to_value(value: &Value) -> PbValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Int(value) => Kind::NumberValue(*value as f64),
        Value::Float(value) => Kind::NumberValue(value.get()),
        Value::Text(text) => Kind::StringValue(text.to_string()),
        Value::List(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(to_value).collect() })
        }
        Value::Map(map) => Kind::StructValue(map_to_struct(map)),
    };
    PbValue { kind: Some(kind) }
}

fn map_to_struct(map: &Map) -> Struct {
    let fields = map.iter().map(|(name, value)| (name.to_owned(), to_value(value)));
    Struct { fields: fields.collect() }
}

/// `field` is the request's field, for the error.
pub(crate) fn from_struct(field: &str, value: Struct) -> Result<Value> {
    let entry = |(name, value): (String, PbValue)| {
        let value = from_value(&name, value).map_err(|error| inside(field, error))?;
        Ok((name, value))
    };
    let entries = value.fields.into_iter().map(entry).collect::<Result<_>>()?;
    Ok(Value::Map(Map::from_entries(entries)))
}

pub(crate) fn from_value(field: &str, value: PbValue) -> Result<Value> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => {
            Value::number(value).map_err(|error| Error::invalid(field, error.message))?
        }
        Some(Kind::StringValue(text)) => Value::from(text),
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().map(|item| from_value(field, item));
            Value::from(items.collect::<Result<Vec<_>>>()?)
        }
        Some(Kind::StructValue(value)) => from_struct(field, value)?,
    })
}

fn inside(field: &str, error: Error) -> Error {
    let mut error = error;
    for detail in &mut error.details {
        if let gamemesh_domain::Detail::Field { field: at, .. } = detail {
            *at = format!("{field}.{at}");
        }
    }
    if error.code == Code::InvalidArgument {
        error.message = format!("{field}.{}", error.message);
    }
    error
}
