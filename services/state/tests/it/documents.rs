//! Documents as tests write them: JSON, to and from the messages of the contract.

use std::collections::BTreeMap;

use gamemesh_domain::document::{Map, Value as Domain};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::Value as Json;

/// A JSON object as a message.
pub(super) fn document(json: &Json) -> Struct {
    let fields = json.as_object().unwrap().iter();
    Struct { fields: fields.map(|(name, value)| (name.clone(), message(value))).collect() }
}

/// Any JSON as a message.
pub(super) fn message(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(message).collect() })
        }
        Json::Object(_) => Kind::StructValue(document(json)),
    };
    Value { kind: Some(kind) }
}

/// Any JSON as the domain has it.
pub(super) fn value(json: &Json) -> Domain {
    match json {
        Json::Null => Domain::Null,
        Json::Bool(value) => Domain::from(*value),
        Json::Number(number) => Domain::number(number.as_f64().unwrap()).unwrap(),
        Json::String(text) => Domain::text(text.as_str()),
        Json::Array(items) => Domain::from(items.iter().map(value).collect::<Vec<_>>()),
        Json::Object(fields) => {
            let entry = |(name, item): (&String, &Json)| (name.clone(), value(item));
            Domain::Map(Map::from_entries(fields.iter().map(entry).collect()))
        }
    }
}

/// What the domain has, as a message.
pub(super) fn of_domain(value: &Domain) -> Value {
    let kind = match value {
        Domain::Null => Kind::NullValue(0),
        Domain::Bool(value) => Kind::BoolValue(*value),
        Domain::Int(number) => Kind::NumberValue(*number as f64),
        Domain::Float(number) => Kind::NumberValue(number.get()),
        Domain::Text(text) => Kind::StringValue(text.to_string()),
        Domain::List(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(of_domain).collect() })
        }
        Domain::Map(map) => {
            let entry = |(name, item): (&str, &Domain)| (name.to_owned(), of_domain(item));
            let fields: BTreeMap<_, _> = map.iter().map(entry).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}

/// A state as a message; that of an aggregate which does not exist is empty.
pub(super) fn struct_of(value: &Domain) -> Struct {
    match of_domain(value).kind {
        Some(Kind::StructValue(fields)) => fields,
        _ => Struct::default(),
    }
}

/// The number at a path of names.
pub(super) fn number(state: &Struct, names: &[&str]) -> Option<f64> {
    let (name, rest) = names.split_first()?;
    match state.fields.get(*name)?.kind.as_ref()? {
        Kind::NumberValue(number) if rest.is_empty() => Some(*number),
        Kind::StructValue(inner) => number_below(inner, rest),
        _ => None,
    }
}

fn number_below(state: &Struct, names: &[&str]) -> Option<f64> {
    if names.is_empty() { None } else { number(state, names) }
}
