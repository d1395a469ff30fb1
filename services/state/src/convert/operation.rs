//! Operations.

use std::fmt;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{FieldPath, Increment, Number, Operation, Value};
use gamemesh_domain::{Error, Result};
use pb::operation::Kind;

use super::value::from_value;

pub(crate) fn from_operations(operations: pb::Operations) -> Result<Vec<Operation>> {
    let numbered = operations.operations.into_iter().enumerate();
    numbered.map(|(at, operation)| from_operation(Field(at), operation)).collect()
}

/// Which operation it is, for errors.
#[derive(Clone, Copy)]
struct Field(usize);

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operations[{}]", self.0)
    }
}

fn from_operation(field: Field, operation: pb::Operation) -> Result<Operation> {
    let Some(kind) = operation.kind else {
        return Err(Error::invalid(
            field.to_string(),
            "accepts one of set, increment, append, remove, addToSet, removeFromSet, maximum, minimum",
        ));
    };
    Ok(match kind {
        Kind::Set(set) => {
            let (path, value) = assignment(field, set)?;
            Operation::Set { path, value }
        }
        Kind::Maximum(set) => {
            let (path, value) = assignment(field, set)?;
            Operation::Maximum { path, value }
        }
        Kind::Minimum(set) => {
            let (path, value) = assignment(field, set)?;
            Operation::Minimum { path, value }
        }
        Kind::Increment(increment) => Operation::Increment(Increment {
            path: path(field, increment.path)?,
            by: number(field, "by", increment.by)?,
            min: increment.min.map(|min| number(field, "min", min)).transpose()?,
            max: increment.max.map(|max| number(field, "max", max)).transpose()?,
            clamp: increment.clamp,
        }),
        Kind::Append(append) => Operation::Append {
            path: path(field, append.path)?,
            values: values(field, append.values)?,
            length_max: match u32::try_from(append.length_max) {
                Ok(0) => None,
                Ok(length) => Some(length),
                Err(_) => {
                    return Err(Error::invalid(
                        format!("{field}.lengthMax"),
                        "accepts 0 and above",
                    ));
                }
            },
        },
        Kind::Remove(remove) => Operation::Remove { path: path(field, remove.path)? },
        Kind::AddToSet(members) => {
            let (path, values) = set_members(field, members)?;
            Operation::AddToSet { path, values }
        }
        Kind::RemoveFromSet(members) => {
            let (path, values) = set_members(field, members)?;
            Operation::RemoveFromSet { path, values }
        }
    })
}

fn assignment(field: Field, set: pb::SetOperation) -> Result<(FieldPath, Value)> {
    let value = from_value(&format!("{field}.value"), set.value.unwrap_or_default())?;
    Ok((path(field, set.path)?, value))
}

fn set_members(field: Field, members: pb::SetMembersOperation) -> Result<(FieldPath, Vec<Value>)> {
    Ok((path(field, members.path)?, values(field, members.values)?))
}

fn values(field: Field, values: Vec<prost_types::Value>) -> Result<Vec<Value>> {
    let field = format!("{field}.values");
    values.into_iter().map(|value| from_value(&field, value)).collect()
}

fn path(field: Field, path: String) -> Result<FieldPath> {
    path.try_into().map_err(|error: Error| Error::invalid(format!("{field}.path"), error.message))
}

fn number(field: Field, name: &str, value: f64) -> Result<Number> {
    Number::new(value).ok_or_else(|| {
        Error::invalid(format!("{field}.{name}"), "accepts a finite number within ±(2^53 − 1)")
    })
}
