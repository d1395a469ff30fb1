//! Values.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::Value;

pub(super) fn to_datum(value: &Value) -> pb::Datum {
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
