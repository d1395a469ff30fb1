//! Values: `google.protobuf.Struct`.

use gamemesh_domain::document::{Map, Value};
use gamemesh_domain::{Error, Result};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as PbValue};

pub(crate) fn to_struct(map: &Map) -> Struct {
    let fields = map.iter().map(|(name, value)| (name.to_owned(), to_value(value)));
    Struct { fields: fields.collect() }
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
        Value::Map(map) => Kind::StructValue(to_struct(map)),
    };
    PbValue { kind: Some(kind) }
}

/// `field` is the request's field, for the error. NUL is refused: not every store can keep it.
pub(crate) fn from_struct(field: &str, value: Struct) -> Result<Map> {
    let entry = |(name, value): (String, PbValue)| {
        let inner = format!("{field}.{name}");
        without_nul(&inner, &name)?;
        Ok((name, from_value(&inner, value)?))
    };
    let entries = value.fields.into_iter().map(entry).collect::<Result<_>>()?;
    Ok(Map::from_entries(entries))
}

fn from_value(field: &str, value: PbValue) -> Result<Value> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => {
            Value::number(value).map_err(|error| Error::invalid(field, error.message))?
        }
        Some(Kind::StringValue(text)) => {
            without_nul(field, &text)?;
            Value::text(text)
        }
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().map(|item| from_value(field, item));
            Value::from(items.collect::<Result<Vec<_>>>()?)
        }
        Some(Kind::StructValue(value)) => Value::Map(from_struct(field, value)?),
    })
}

pub(crate) fn without_nul(field: &str, text: &str) -> Result<()> {
    match text.contains('\0') {
        true => Err(Error::invalid(field, "accepts text without NUL")),
        false => Ok(()),
    }
}
