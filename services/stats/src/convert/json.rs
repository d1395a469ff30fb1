//! `google.protobuf.Struct` as JSON.

use prost_types::value::Kind;
use serde_json::{Map, Number, Value};

pub(crate) fn object(fields: prost_types::Struct) -> Map<String, Value> {
    fields.fields.into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(number)) => self::number(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(json).collect()),
        Some(Kind::StructValue(fields)) => Value::Object(object(fields)),
    }
}

/// A whole number stays one. What JSON cannot say, such as NaN, is kept as a text that no reader of
/// numbers accepts.
fn number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Value::Number((number as i64).into());
    }
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}
