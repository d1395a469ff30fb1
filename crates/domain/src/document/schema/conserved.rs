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
            for path in paths {
                add(&mut balances, group, path, part.before, |balance| &mut balance.before)?;
                add(&mut balances, group, path, part.after, |balance| &mut balance.after)?;
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

fn add<'a>(
    balances: &mut BTreeMap<Quantity<'a>, Balance<'a>>,
    group: (&'a str, usize),
    path: &'a FieldPath,
    state: &'a Value,
    side: impl for<'b> Fn(&'b mut Balance<'a>) -> &'b mut i128,
) -> Result<()> {
    let mut add = |entry, value: &Value| match value {
        Value::Int(number) => {
            let new = Balance { path, before: 0, after: 0 };
            let balance = balances.entry(Quantity { group, entry }).or_insert(new);
            *side(balance) += i128::from(*number);
            Ok(())
        }
        other => {
            let what = format!("must be a whole number, so that the sum is exact, not {other}");
            Err(refusal("conserved", path, other, "a whole number", what))
        }
    };
    match value(state, path) {
        None => Ok(()),
        Some(Value::Map(map)) => map.iter().try_for_each(|(name, value)| add(Some(name), value)),
        Some(value) => add(None, value),
    }
}
