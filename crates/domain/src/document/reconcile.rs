//! Bringing in changes that could not be delivered in time.
//!
//! A change that was made upon an older state is compared field by field with what others did since.
//! What the same caller's own earlier changes did is not counted as done by others: changes that wait
//! together were made one upon the other, whichever calls bring them.
//! A field that nobody else touched takes the change. Where both did, the declared merge of the field
//! decides: numbers that count add up, maxima and minima win by value, sets take both; anywhere else
//! the present value stays, because others have already seen it.

use super::decide::not_found;
use super::{
    Aggregate, Command, Decision, FieldPath, Map, Merge, Operation, Schema, Value, decide,
};
use crate::{Code, Error, Result};

/// A change that waited for delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// [`Command::Merge`] or [`Command::Operate`].
    pub command: Command,
    /// What it was made upon; `None` if it applies to any state.
    pub base: Option<Base>,
}

/// The version that a change was made upon.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    pub version: u64,
    /// Null if the aggregate did not exist.
    pub state: Value,
}

/// An event that an earlier change of the same caller led to.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnStep {
    pub version: u64,
    pub before: Value,
    pub after: Value,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// What to store, or why it was refused. A change of which nothing is left is refused with
    /// `VERSION_CONFLICT`.
    pub decision: Result<Decision>,
    /// In the order in which the change names its fields.
    pub fields: Vec<FieldOutcome>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FieldOutcome {
    pub path: FieldPath,
    pub resolution: Resolution,
    /// The value now; null if there is none.
    pub value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It has the submitted value.
    Applied,
    /// The submitted and the present value were merged.
    Merged,
    /// The present value won.
    Kept,
    /// The change was refused as a whole.
    Refused,
}

/// Decides one pending change upon `aggregate`. `own` are the steps that earlier changes of the same
/// caller made, in the order of their versions: what happened since the base beside them was done by
/// others.
pub fn reconcile(
    schema: &Schema,
    aggregate: &Aggregate,
    own: &[OwnStep],
    pending: Pending,
    now_us: i64,
) -> Settlement {
    let Pending { command, base } = pending;
    let since = base.as_ref().map_or(0, |base| own.partition_point(|o| o.version <= base.version));
    let mut merging = Merging {
        schema,
        base: base.as_ref().map(|base| &base.state),
        own: &own[since..],
        present: &aggregate.state,
        fields: Vec::new(),
    };
    let command = match command {
        Command::Merge { patch, create_missing } => {
            let patch = merging.patch(patch);
            Command::Merge { patch, create_missing }
        }
        Command::Operate { operations, create_missing } => {
            let settle = |operation| merging.operation(operation);
            let operations = operations.into_iter().filter_map(settle).collect();
            Command::Operate { operations, create_missing }
        }
        command => command,
    };
    let mut fields = merging.fields;
    let lost = |(_, resolution): &(_, Resolution)| *resolution == Resolution::Kept;
    let saw_deletion = base.is_some_and(|base| base.version >= aggregate.version);
    let decision = if aggregate.is_deleted() && !saw_deletion {
        // A change of what was there is not the wish for another one in its place.
        Err(not_found(aggregate.version))
    } else if !fields.is_empty() && fields.iter().all(lost) {
        let what = "others have changed every field of this change since it was made";
        Err(Error::new(Code::VersionConflict, what).with_fact("actualVersion", aggregate.version))
    } else {
        decide(schema, aggregate, command, now_us)
    };
    let state = decision.as_ref().map_or(&aggregate.state, |decision| &decision.after.state);
    let refused = decision.is_err();
    let outcome = |(path, resolution): (FieldPath, Resolution)| {
        let refused = refused && resolution != Resolution::Kept;
        let resolution = if refused { Resolution::Refused } else { resolution };
        let value = state.get(&path).cloned().unwrap_or_default();
        FieldOutcome { path, resolution, value }
    };
    let fields = fields.drain(..).map(outcome).collect();
    Settlement { decision, fields }
}

struct Merging<'a> {
    schema: &'a Schema,
    base: Option<&'a Value>,
    /// Those after the base.
    own: &'a [OwnStep],
    present: &'a Value,
    fields: Vec<(FieldPath, Resolution)>,
}

impl Merging<'_> {
    /// The patch without what lost, with what was merged.
    fn patch(&mut self, patch: Value) -> Value {
        match patch {
            Value::Map(map) => self.patch_map(map, &mut Vec::new()).into(),
            other => other,
        }
    }

    fn patch_map(&mut self, patch: Map, names: &mut Vec<Box<str>>) -> Map {
        let mut settled = Vec::with_capacity(patch.len());
        for (name, value) in patch {
            names.push(name.clone());
            let path = FieldPath::from_names(names.iter().map(|name| &**name));
            let value = match (value, path) {
                (Value::Map(inner), _) if !inner.is_empty() => {
                    Some(self.patch_map(inner, names).into())
                }
                (value, Ok(path)) => self.leaf(&path, value),
                // Too long for a path, and thus for a state: the decision refuses it by its limits.
                (value, Err(_)) => Some(value),
            };
            names.pop();
            settled.extend(value.map(|value| (name, value)));
        }
        Map::from_entries(settled)
    }

    fn leaf(&mut self, path: &FieldPath, value: Value) -> Option<Value> {
        let (resolution, value) = self.settle(path, value);
        self.fields.push((path.clone(), resolution));
        value
    }

    fn operation(&mut self, operation: Operation) -> Option<Operation> {
        let path = operation.path().clone();
        match operation {
            Operation::Set { value, .. } => {
                let value = self.leaf(&path, value)?;
                Some(Operation::Set { path, value })
            }
            Operation::Remove { .. } => {
                self.leaf(&path, Value::Null)?;
                Some(Operation::Remove { path })
            }
            operation => {
                let merged = self.is_contested(&path);
                let resolution = if merged { Resolution::Merged } else { Resolution::Applied };
                self.fields.push((path, resolution));
                Some(operation)
            }
        }
    }

    /// The value that a field gets; `None` if the present one stays.
    fn settle(&self, path: &FieldPath, value: Value) -> (Resolution, Option<Value>) {
        if !self.is_contested(path) {
            return (Resolution::Applied, Some(value));
        }
        let merge = self.schema.field(path).map_or(Merge::default(), |field| field.merge);
        let now = self.present.get(path).unwrap_or(&Value::Null);
        match merged(merge, &self.own_view(path, merge), now, &value) {
            Some(value) => (Resolution::Merged, Some(value)),
            None if *now == value => (Resolution::Applied, Some(value)),
            None => (Resolution::Kept, None),
        }
    }

    /// Whether others changed the field since the base: whether it is anywhere else before one of the
    /// caller's own steps, or now, than where the step before had left it.
    fn is_contested(&self, path: &FieldPath) -> bool {
        let Some(base) = self.base else { return false };
        let mut left = base.get(path);
        for step in self.own {
            if step.before.get(path) != left {
                return true;
            }
            left = step.after.get(path);
        }
        self.present.get(path) != left
    }

    /// What the caller took the field to be: its value in the base, with what his own steps since added
    /// to it or took from it.
    fn own_view(&self, path: &FieldPath, merge: Merge) -> Value {
        let base = self.base.and_then(|base| base.get(path)).cloned().unwrap_or_default();
        let around = self.own.iter().map(|step| (step.before.get(path), step.after.get(path)));
        match merge {
            Merge::Counter | Merge::BoundedCounter => around.fold(base, |view, (before, after)| {
                let number = |value: Option<&Value>| {
                    value.and_then(Value::as_number).unwrap_or_else(|| 0.into())
                };
                let moved = number(after).checked_sub(number(before));
                let sum = moved.and_then(|moved| number(Some(&view)).checked_add(moved));
                sum.map_or(view, Value::from)
            }),
            Merge::AddWinsSet | Merge::RemoveWinsSet => {
                let items = |value: Option<&Value>| {
                    value.and_then(Value::as_list).unwrap_or_default().to_vec()
                };
                let mut view = items(Some(&base));
                for (before, after) in around {
                    let (before, after) = (items(before), items(after));
                    view.retain(|item| after.contains(item) || !before.contains(item));
                    view.extend(after.into_iter().filter(|item| !before.contains(item)));
                }
                view.into()
            }
            _ => base,
        }
    }
}

/// The merge of two values with a common base, for fields that have one.
fn merged(merge: Merge, base: &Value, now: &Value, submitted: &Value) -> Option<Value> {
    match merge {
        Merge::Counter | Merge::BoundedCounter => {
            let base = base.as_number().unwrap_or(0.into());
            let step = submitted.as_number()?.checked_sub(base)?;
            now.as_number()?.checked_add(step).map(Value::from)
        }
        Merge::Maximum => Some(now.as_number()?.max(submitted.as_number()?).into()),
        Merge::Minimum => Some(now.as_number()?.min(submitted.as_number()?).into()),
        Merge::AddWinsSet | Merge::RemoveWinsSet => {
            let (now, submitted) = (now.as_list()?, submitted.as_list()?);
            let base = base.as_list().unwrap_or_default();
            let removed = |item: &&Value| {
                base.contains(item) && !(now.contains(item) && submitted.contains(item))
            };
            let added = submitted.iter().filter(|item| !now.contains(item));
            let both = now.iter().chain(added).filter(|item| !removed(item));
            Some(both.cloned().collect::<Vec<_>>().into())
        }
        Merge::LastWriterWins | Merge::Map | Merge::HomeOnly | Merge::Owned => None,
    }
}

#[cfg(test)]
mod tests;
