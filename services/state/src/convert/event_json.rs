//! An event as proto3 JSON: what `ListEvents` answers over REST.

use gamemesh_contracts::state::v1::AggregateEvent;
use gamemesh_domain::document::{Map, Value};

use super::{json, value};

/// Messages that are not set are left out, all else is there; 64-bit numbers are text, as in all
/// proto3 JSON.
pub(crate) fn text(event: &AggregateEvent) -> String {
    let given = |text: &str| Some(Value::from(text));
    let data = event.data.clone().and_then(|data| value::from_value("data", data).ok());
    let metadata = event.metadata.as_ref().map(|metadata| {
        let occurred = metadata.occurred_at.as_ref().map(|at| Value::from(&*at.to_string()));
        map([
            ("correlationId", given(&metadata.correlation_id)),
            ("causationId", given(&metadata.causation_id)),
            ("actor", given(&metadata.actor)),
            ("region", given(&metadata.region)),
            ("traceparent", given(&metadata.traceparent)),
            ("reason", given(&metadata.reason)),
            ("occurredAt", occurred),
            ("origin", given(&metadata.origin)),
        ])
    });
    json::text(&map([
        ("type", given(&event.r#type)),
        ("id", given(&event.id)),
        ("version", Some(Value::from(&*event.version.to_string()))),
        ("lane", Some(Value::from(event.lane))),
        ("position", Some(Value::from(&*event.position.to_string()))),
        ("eventId", given(&event.event_id)),
        ("kind", given(&event.kind)),
        ("time", event.time.as_ref().map(|time| Value::from(&*time.to_string()))),
        ("data", data),
        ("metadata", metadata),
    ]))
}

fn map<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Map::from_iter(fields).into()
}
