//! The types that ship with the product.

mod economy;
mod matches;
mod player;
mod session;
mod social;

use crate::Result;
use crate::document::{
    AggregateType, Declaration, Field, FieldPath, Map, Merge, Schema, Validator, Value, ValueSchema,
};

/// Names of the types that ship, in alphabetical order.
pub const BUILTIN_TYPES: [&str; 6] = ["combat", "economy", "guild", "match", "player", "world"];

/// The schemas of [`BUILTIN_TYPES`].
pub fn builtin_schemas() -> Result<Vec<Schema>> {
    [
        session::combat(),
        economy::economy(),
        social::guild(),
        matches::match_type(),
        player::player(),
        social::world(),
    ]
    .into_iter()
    .map(|declaration| Schema::new(declaration?))
    .collect()
}

fn declare(
    type_name: &str,
    description: &str,
    open: bool,
    fields: Vec<Result<Field>>,
    validators: Vec<Validator>,
) -> Result<Declaration> {
    Ok(Declaration {
        type_name: type_name.parse::<AggregateType>()?,
        description: description.to_owned(),
        fields: fields.into_iter().collect::<Result<_>>()?,
        open,
        validators,
        builtin: true,
    })
}

fn field(path: &str, value: ValueSchema, merge: Merge, description: &str) -> Result<Field> {
    Ok(Field {
        path: path.parse()?,
        description: description.to_owned(),
        value,
        required: false,
        default: None,
        merge,
    })
}

fn with_default(field: Result<Field>, default: impl Into<Value>) -> Result<Field> {
    field.map(|field| Field { default: Some(default.into()), ..field })
}

/// A map that is there from the beginning.
fn map(path: &str, of: Option<ValueSchema>, merge: Merge, description: &str) -> Result<Field> {
    let value = ValueSchema::Map { of: of.map(Box::new), length_max: None };
    with_default(field(path, value, merge, description), Map::new())
}

/// One of `choices`, the first to begin with.
fn choice(path: &str, choices: &[&str], merge: Merge, description: &str) -> Result<Field> {
    let one_of = choices.iter().map(ToString::to_string).collect();
    let value = ValueSchema::Text { bytes_max: None, one_of };
    with_default(field(path, value, merge, description), choices[0])
}

fn text(path: &str, bytes_max: u32, description: &str) -> Result<Field> {
    let value = ValueSchema::Text { bytes_max: Some(bytes_max), one_of: Vec::new() };
    field(path, value, Merge::LastWriterWins, description)
}

fn timestamp(path: &str, description: &str) -> Result<Field> {
    field(path, ValueSchema::Timestamp, Merge::LastWriterWins, description)
}

fn set(path: &str, merge: Merge, description: &str) -> Result<Field> {
    let member = ValueSchema::Text { bytes_max: Some(256), one_of: Vec::new() };
    let value = ValueSchema::List { of: Some(Box::new(member)), length_max: None };
    with_default(field(path, value, merge, description), Vec::new())
}

const fn whole(min: i64, max: Option<i64>) -> ValueSchema {
    ValueSchema::Int { min: Some(min), max }
}

const fn real(min: f64, max: f64) -> ValueSchema {
    ValueSchema::Float { min: Some(min), max: Some(max) }
}

fn paths(paths: &[&str]) -> Result<Vec<FieldPath>> {
    paths.iter().map(|path| path.parse()).collect()
}

#[cfg(test)]
mod tests;
