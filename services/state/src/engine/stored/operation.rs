//! Operations.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::state::{FieldPath, Increment, Number, Operation, Value};
use gamemesh_repository::LogError;
use pb::datum_operation::Kind;

use super::{damaged, from_datum, to_datum};

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

pub(super) fn from_stored(stored: pb::DatumOperation) -> Result<Operation, LogError> {
    let kind = stored.kind();
    let path: FieldPath = stored.path.parse().map_err(damaged)?;
    let value = from_datum(stored.value.unwrap_or_default())?;
    Ok(match kind {
        Kind::Unspecified => return Err(damaged("an operation of no known kind")),
        Kind::Set => Operation::Set { path, value },
        Kind::Increment => Operation::Increment(Increment {
            path,
            by: number(&value)?,
            min: stored.min.map(datum_to_number).transpose()?,
            max: stored.max.map(datum_to_number).transpose()?,
            clamp: stored.clamp,
        }),
        Kind::Append => Operation::Append {
            path,
            values: items(value)?,
            length_max: Some(stored.length_max).filter(|&length| length > 0),
        },
        Kind::Remove => Operation::Remove { path },
        Kind::AddToSet => Operation::AddToSet { path, values: items(value)? },
        Kind::RemoveFromSet => Operation::RemoveFromSet { path, values: items(value)? },
        Kind::Maximum => Operation::Maximum { path, value },
        Kind::Minimum => Operation::Minimum { path, value },
    })
}

fn list(values: &[Value]) -> pb::Datum {
    let items = values.iter().map(to_datum).collect();
    pb::Datum { kind: Some(pb::datum::Kind::List(pb::DatumList { items })) }
}

fn items(value: Value) -> Result<Vec<Value>, LogError> {
    match value {
        Value::List(items) => Ok(items),
        _ => Err(damaged("an operation whose values are no list")),
    }
}

fn number_to_datum(number: Number) -> pb::Datum {
    to_datum(&number.into())
}

fn datum_to_number(datum: pb::Datum) -> Result<Number, LogError> {
    number(&from_datum(datum)?)
}

fn number(value: &Value) -> Result<Number, LogError> {
    value.as_number().ok_or_else(|| damaged("an operation whose number is none"))
}
