//! Operations.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{Number, Operation, Value};
use pb::datum_operation::Kind;

use super::datum::to_datum;

pub(super) fn to_stored(operation: &Operation) -> pb::DatumOperation {
    let (kind, value) = match operation {
        Operation::Set { value, .. } => (Kind::Set, Some(to_datum(value))),
        Operation::Increment(increment) => (Kind::Increment, Some(number_to_datum(increment.by))),
        Operation::Append { values, .. } => (Kind::Append, Some(list(values))),
        Operation::Remove { .. } => (Kind::Remove, None),
        Operation::AddToSet { values, .. } => (Kind::AddToSet, Some(list(values))),
        Operation::RemoveFromSet { values, .. } => (Kind::RemoveFromSet, Some(list(values))),
        Operation::Maximum { value, .. } => (Kind::Maximum, Some(to_datum(value))),
        Operation::Minimum { value, .. } => (Kind::Minimum, Some(to_datum(value))),
    };
    let (min, max, clamp) = match operation {
        Operation::Increment(increment) => (increment.min, increment.max, increment.clamp),
        _ => (None, None, false),
    };
    let length_max = match operation {
        Operation::Append { length_max, .. } => length_max.unwrap_or(0),
        _ => 0,
    };
    pb::DatumOperation {
        kind: kind.into(),
        path: operation.path().as_str().to_owned(),
        value,
        min: min.map(number_to_datum),
        max: max.map(number_to_datum),
        clamp,
        length_max,
    }
}

fn list(values: &[Value]) -> pb::Datum {
    let items = values.iter().map(to_datum).collect();
    pb::Datum { kind: Some(pb::datum::Kind::List(pb::DatumList { items })) }
}

fn number_to_datum(number: Number) -> pb::Datum {
    to_datum(&number.into())
}
