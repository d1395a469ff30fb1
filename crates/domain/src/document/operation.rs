//! Typed operations on one field.

mod set;
mod walk;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::limits::{OPERATION_VALUES_MAX, OPERATIONS_MAX};
use super::{FieldPath, Kind, Number, Value, check_limits};
use crate::{Code, Error, Result};

/// What is done to one field. Missing parents are created as maps; a field with null counts as
/// missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// The field becomes `value`. Of a list only an item that exists can be set.
    Set { path: FieldPath, value: Value },
    /// The number grows.
    Increment(Increment),
    /// `values` go to the end of the list, of which the last `length_max` items stay.
    Append { path: FieldPath, values: Vec<Value>, length_max: Option<u32> },
    /// The field is removed, if there is one.
    Remove { path: FieldPath },
    /// Those of `values` that the list does not have go to its end.
    AddToSet { path: FieldPath, values: Vec<Value> },
    /// All items that are equal to one of `values` leave the list.
    RemoveFromSet { path: FieldPath, values: Vec<Value> },
    /// The number or text becomes `value` if that is greater.
    Maximum { path: FieldPath, value: Value },
    /// The number or text becomes `value` if that is less.
    Minimum { path: FieldPath, value: Value },
}

/// Adds to a number; a missing one counts as 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    pub path: FieldPath,
    /// May be negative.
    pub by: Number,
    /// The result may not be less.
    pub min: Option<Number>,
    /// The result may not be greater.
    pub max: Option<Number>,
    /// Stop at the bound instead of refusing.
    pub clamp: bool,
}

/// Applies all of `operations` in order, or none of them: on an error `target` is as it was.
pub fn apply_all(target: &mut Value, operations: &[Operation]) -> Result<()> {
    match operations {
        [] => Ok(()),
        // A single operation is all-or-nothing by itself.
        [operation] => operation.apply(target),
        operations => {
            let mut after = target.clone();
            operations.iter().try_for_each(|operation| operation.apply(&mut after))?;
            *target = after;
            Ok(())
        }
    }
}

/// Refuses operations that could not be meant: too many, without values, with crossed bounds.
pub fn check_operations(operations: &[Operation]) -> Result<()> {
    if !(1..=OPERATIONS_MAX).contains(&operations.len()) {
        let what = format!("accepts 1 to {OPERATIONS_MAX}, found {}", operations.len());
        return Err(Error::invalid("operations", what));
    }
    operations.iter().try_for_each(Operation::check)
}

impl Operation {
    pub const fn path(&self) -> &FieldPath {
        match self {
            Self::Set { path, .. }
            | Self::Increment(Increment { path, .. })
            | Self::Append { path, .. }
            | Self::Remove { path }
            | Self::AddToSet { path, .. }
            | Self::RemoveFromSet { path, .. }
            | Self::Maximum { path, .. }
            | Self::Minimum { path, .. } => path,
        }
    }

    const fn operands(&self) -> &[Value] {
        match self {
            Self::Set { value, .. } | Self::Maximum { value, .. } | Self::Minimum { value, .. } => {
                std::slice::from_ref(value)
            }
            Self::Append { values, .. }
            | Self::AddToSet { values, .. }
            | Self::RemoveFromSet { values, .. } => values.as_slice(),
            Self::Increment(_) | Self::Remove { .. } => &[],
        }
    }

    /// Applies the operation; on an error `target` is as it was.
    pub fn apply(&self, target: &mut Value) -> Result<()> {
        let effect = match self {
            Self::Set { value, .. } => Effect::Set(Cow::Borrowed(value)),
            Self::Increment(increment) => Effect::Increment(increment),
            Self::Append { values, length_max, .. } => Effect::Append(values.into(), *length_max),
            Self::Remove { .. } => Effect::Remove,
            Self::AddToSet { values, .. } => Effect::AddToSet(values.into()),
            Self::RemoveFromSet { values, .. } => Effect::RemoveFromSet(values),
            Self::Maximum { value, .. } => Effect::Extreme(Cow::Borrowed(value), Ordering::Greater),
            Self::Minimum { value, .. } => Effect::Extreme(Cow::Borrowed(value), Ordering::Less),
        };
        effect.apply(target, self.path())
    }

    /// As [`Operation::apply`], moving the operands into the state instead of copying them: the way of
    /// a fold.
    pub fn apply_owned(self, target: &mut Value) -> Result<()> {
        match self {
            Self::Set { path, value } => Effect::Set(Cow::Owned(value)).apply(target, &path),
            Self::Append { path, values, length_max } => {
                Effect::Append(values.into(), length_max).apply(target, &path)
            }
            Self::AddToSet { path, values } => Effect::AddToSet(values.into()).apply(target, &path),
            Self::Maximum { path, value } => {
                Effect::Extreme(Cow::Owned(value), Ordering::Greater).apply(target, &path)
            }
            Self::Minimum { path, value } => {
                Effect::Extreme(Cow::Owned(value), Ordering::Less).apply(target, &path)
            }
            Self::Increment(_) | Self::Remove { .. } | Self::RemoveFromSet { .. } => {
                self.apply(target)
            }
        }
    }

    fn check(&self) -> Result<()> {
        self.operands().iter().try_for_each(check_limits)?;
        let refuse = |what: String| Err(Error::invalid(self.path().as_str(), what));
        match self {
            Self::Increment(Increment { min: Some(min), max: Some(max), .. }) if min > max => {
                refuse(format!("min {min} must not be greater than max {max}"))
            }
            Self::Append { values, .. }
            | Self::AddToSet { values, .. }
            | Self::RemoveFromSet { values, .. }
                if !(1..=OPERATION_VALUES_MAX).contains(&values.len()) =>
            {
                refuse(format!(
                    "accepts 1 to {OPERATION_VALUES_MAX} values, found {}",
                    values.len()
                ))
            }
            Self::Maximum { value, .. } | Self::Minimum { value, .. }
                if value.as_number().is_none() && value.as_text().is_none() =>
            {
                refuse(format!("accepts a number or text, found {}", value.kind()))
            }
            _ => Ok(()),
        }
    }
}

/// An operation without its path, with operands that are lent or given.
enum Effect<'a> {
    Set(Cow<'a, Value>),
    Increment(&'a Increment),
    Append(Cow<'a, [Value]>, Option<u32>),
    Remove,
    AddToSet(Cow<'a, [Value]>),
    RemoveFromSet(&'a [Value]),
    Extreme(Cow<'a, Value>, Ordering),
}

impl Effect<'_> {
    fn apply(self, target: &mut Value, path: &FieldPath) -> Result<()> {
        if matches!(self, Self::Remove) {
            walk::remove(target, path);
            return Ok(());
        }
        let mut place = walk::find(target, path)?;
        let present = place.present();
        match self {
            Self::Remove => {}
            Self::Set(value) => place.put(value.into_owned()),
            Self::Increment(increment) => {
                let sum = increment.result(present.as_deref())?;
                place.put(sum.into());
            }
            Self::Extreme(value, wins) => {
                if surpasses(&value, present.as_deref(), wins, path)? {
                    place.put(value.into_owned());
                }
            }
            Self::Append(values, length_max) => match list(present, path)? {
                Some(items) => {
                    items.extend(values.into_owned());
                    keep_last(items, length_max);
                }
                None => {
                    let mut items = values.into_owned();
                    keep_last(&mut items, length_max);
                    place.put(items.into());
                }
            },
            Self::AddToSet(values) => match list(present, path)? {
                Some(items) => set::add(items, values.into_owned()),
                None => {
                    let mut items = Vec::new();
                    set::add(&mut items, values.into_owned());
                    place.put(items.into());
                }
            },
            Self::RemoveFromSet(values) => {
                if let Some(items) = list(present, path)? {
                    set::remove(items, values);
                }
            }
        }
        Ok(())
    }
}

impl Increment {
    fn result(&self, present: Option<&Value>) -> Result<Number> {
        let number = match present {
            None => Number::Int(0),
            Some(value) => value
                .as_number()
                .ok_or_else(|| refuse_kind(&self.path, value.kind(), "a number or nothing"))?,
        };
        let sum = number.checked_add(self.by);
        let over = |bound: &Number| sum.map_or(!self.by.is_negative(), |sum| sum > *bound);
        let under = |bound: &Number| sum.map_or(self.by.is_negative(), |sum| sum < *bound);
        let crossed = (self.max.filter(over).map(|max| ("most", max)))
            .or_else(|| self.min.filter(under).map(|min| ("least", min)));
        match (crossed, sum) {
            (Some((_, bound)), _) if self.clamp => Ok(bound),
            (_, None) => Err(self.overflow(number)),
            (Some((side, bound)), Some(sum)) => Err(self.out_of_bounds(side, bound, sum)),
            (None, Some(sum)) => Ok(sum),
        }
    }

    fn overflow(&self, number: Number) -> Error {
        let Self { path, by, .. } = self;
        let what = format!("{number} and {by} add up to more than ±(2^53 − 1)");
        Error::new(Code::NumericOverflow, format!("{path}: {what}"))
            .with_field(path.as_str(), what)
            .with_fact("field", path)
            .with_fact("value", number)
    }

    fn out_of_bounds(&self, side: &str, bound: Number, sum: Number) -> Error {
        let Self { path, .. } = self;
        let what = format!("the result may be at {side} {bound}, but would be {sum}");
        Error::new(Code::OperationRefused, format!("{path}: {what}"))
            .with_field(path.as_str(), what)
            .with_fact("field", path)
            .with_fact("value", sum)
            .with_fact("bound", bound)
    }
}

/// Whether `value` compares to what is there as `wins` says.
fn surpasses(
    value: &Value,
    present: Option<&Value>,
    wins: Ordering,
    path: &FieldPath,
) -> Result<bool> {
    let Some(present) = present else {
        return Ok(true);
    };
    let ordering = match (value.as_number(), present.as_number()) {
        (Some(value), Some(present)) => value.cmp(&present),
        _ => match (value.as_text(), present.as_text()) {
            (Some(value), Some(present)) => value.cmp(present),
            _ => {
                let accepted = if value.as_text().is_some() { "text" } else { "a number" };
                return Err(refuse_kind(path, present.kind(), accepted));
            }
        },
    };
    Ok(ordering == wins)
}

fn list<'a>(
    present: Option<&'a mut Value>,
    path: &FieldPath,
) -> Result<Option<&'a mut Vec<Value>>> {
    match present {
        None => Ok(None),
        Some(Value::List(items)) => Ok(Some(Arc::make_mut(items))),
        Some(other) => Err(refuse_kind(path, other.kind(), "a list or nothing")),
    }
}

fn keep_last(items: &mut Vec<Value>, length_max: Option<u32>) {
    if let Some(length_max) = length_max {
        let excess = items.len().saturating_sub(length_max as usize);
        items.drain(..excess);
    }
}

/// The field holds something that this operation cannot work on.
fn refuse_kind(path: &FieldPath, found: Kind, accepted: &str) -> Error {
    let what = format!("the operation accepts {accepted}, found {found}");
    Error::new(Code::OperationRefused, format!("{path}: {what}"))
        .with_field(path.as_str(), what)
        .with_fact("field", path)
        .with_fact("found", found)
        .with_fact("accepted", accepted)
}

#[cfg(test)]
mod tests;
