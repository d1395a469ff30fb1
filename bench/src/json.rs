//! JSON objects as the messages that carry them.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// The fields of an object; none of anything else.
pub(crate) fn to_struct(value: serde_json::Value) -> Struct {
    let serde_json::Value::Object(fields) = value else { return Struct::default() };
    Struct { fields: fields.into_iter().map(|(name, value)| (name, to_value(value))).collect() }
}

fn to_value(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(to_value).collect() })
        }
        object @ Json::Object(_) => Kind::StructValue(to_struct(object)),
    };
    Value { kind: Some(kind) }
}
