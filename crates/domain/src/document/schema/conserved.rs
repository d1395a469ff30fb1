//! Sums that a transaction keeps: a trade moves gold, it does not make any.

use std::collections::BTreeMap;

use super::validator::{refusal, value};
use super::{Schema, Validator};
use crate::Result;
use crate::document::{FieldPath, Value};

/// One aggregate of a transaction; null where it does not exist.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub schema: &'a Schema,
    pub before: &'a Value,
    pub after: &'a Value,
}

/// What is summed together: a quantity by its name (or a nameless validator of a type, by its index),
/// and within it an entry of a map.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Quantity<'a> {
    group: (&'a str, usize),
    entry: Option<&'a str>,
}

struct Balance<'a> {
    path: &'a FieldPath,
    before: i128,
    after: i128,
}

/// Whether the parts of one transaction together keep what their types declare as conserved.
///
/// An aggregate that is created with a balance, deleted or rolled back with one, counts as well: to
/// put money into circulation, take it from an aggregate that may hold less than nothing.
pub fn check_conserved<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Result<()> {
    let mut balances = BTreeMap::new();
    for part in parts {
        let type_name = part.schema.type_name().as_str();
        for (index, validator) in part.schema.declaration().validators.iter().enumerate() {
            let Validator::Conserved { quantity, paths } = validator else { continue };
            // Type names have no such length, so that the two kinds of group cannot meet.
            let group = if quantity.is_empty() {
                (type_name, index)
            } else {
                (quantity.as_str(), usize::MAX)
            };
            // What a part leaves as it was has no share in whether the sum stays.
            let changed = |path: &&FieldPath| value(part.before, path) != value(part.after, path);
            for path in paths.iter().filter(changed) {
                add(&mut balances, group, path, part, Side::Before)?;
                add(&mut balances, group, path, part, Side::After)?;
            }
        }
    }
    for (quantity, Balance { path, before, after }) in balances {
        if before != after {
            let entry = quantity.entry.map(|entry| format!(" of `{entry}`")).unwrap_or_default();
            let what = format!("the sum{entry} must stay {before}, but would be {after}");
            return Err(refusal("conserved", path, after, before, what));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Before,
    After,
}

/// What was no whole number when the sum was declared is part of no sum: it may be taken away, or become
/// a whole number, which then counts as having been there. Nothing else could repair it.
fn add<'a>(
    balances: &mut BTreeMap<Quantity<'a>, Balance<'a>>,
    group: (&'a str, usize),
    path: &'a FieldPath,
    part: Part<'a>,
    side: Side,
) -> Result<()> {
    let (this, other) = match side {
        Side::Before => (part.before, part.after),
        Side::After => (part.after, part.before),
    };
    let other = value(other, path);
    let mut add = |entry: Option<&'a str>, given: &Value| {
        let across = match (entry, other) {
            (None, other) => other,
            (Some(name), Some(Value::Map(map))) => map.get(name).filter(|value| !value.is_null()),
            // A number in the place of a map, or the other way round: entries come or go.
            (Some(_), _) => None,
        };
        match (given, side) {
            (Value::Int(number), side) => {
                let was_broken = side == Side::After
                    && across.is_some_and(|was| !matches!(was, Value::Int(_) | Value::Map(_)));
                if !was_broken {
                    let new = Balance { path, before: 0, after: 0 };
                    let balance = balances.entry(Quantity { group, entry }).or_insert(new);
                    let sum = match side {
                        Side::Before => &mut balance.before,
                        Side::After => &mut balance.after,
                    };
                    *sum += i128::from(*number);
                }
                Ok(())
            }
            (_, Side::Before) => Ok(()),
            (other, Side::After) if across == Some(other) => Ok(()),
            (other, Side::After) => {
                let what = format!("must be a whole number, so that the sum is exact, not {other}");
                Err(refusal("conserved", path, other, "a whole number", what))
            }
        }
    };
    match value(this, path) {
        None => Ok(()),
        Some(Value::Map(map)) => map.iter().try_for_each(|(name, value)| add(Some(name), value)),
        Some(value) => add(None, value),
    }
}
