//! Values as JSON text, in the columns of rows.

use gamemesh_domain::document::{Map, Value};
use gamemesh_domain::{Code, Error, Result};
use serde_json::Value as Json;

pub(crate) fn text(map: &Map) -> String {
    Json::Object(object(map)).to_string()
}

fn object(map: &Map) -> serde_json::Map<String, Json> {
    map.iter().map(|(name, value)| (name.to_owned(), to_json(value))).collect()
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Json::from(value.get()),
        Value::Text(text) => Json::from(&**text),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(object(map)),
    }
}

/// What was written by [`text`].
pub(crate) fn map(text: &str) -> Result<Map> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => of_object(object),
        _ => Err(damaged()),
    }
}

fn of_object(object: serde_json::Map<String, Json>) -> Result<Map> {
    let entries = object.into_iter().map(|(name, value)| Ok((name, of_json(value)?)));
    Ok(Map::from_entries(entries.collect::<Result<_>>()?))
}

fn of_json(value: Json) -> Result<Value> {
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::int(number)?,
            None => Value::number(number.as_f64().ok_or_else(damaged)?)?,
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => {
            Value::from(items.into_iter().map(of_json).collect::<Result<Vec<_>>>()?)
        }
        Json::Object(object) => Value::Map(of_object(object)?),
    })
}

fn damaged() -> Error {
    Error::new(Code::DataCorrupted, "stored bytes are damaged").with_context("JSON of a row")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that is one bit off for one double in ten would show something else than was stored.
    #[test]
    fn doubles_are_read_as_they_were_written() {
        let mut seed = 7_u64;
        let mut doubles = vec![0.1 + 0.2, 5e-324, 26.999_999_999_999_996];
        while doubles.len() < 5_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let double = f64::from_bits(seed);
            doubles.extend(Some(double).filter(|double| Value::number(*double).is_ok()));
        }
        for double in doubles {
            let stored = Map::from_entries(vec![("n", Value::number(double).unwrap())]);
            assert_eq!(map(&text(&stored)).unwrap(), stored, "{double:e}");
        }
    }
}
