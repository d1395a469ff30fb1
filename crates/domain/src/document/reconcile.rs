//! Bringing in changes that could not be delivered in time.
//!
//! A change that was made upon an older state is compared field by field with what others did since.
//! A field that nobody else touched takes the change. Where both did, the declared merge of the field
//! decides: numbers that count add up, maxima and minima win by value, sets take both; anywhere else
//! the present value stays, because others have already seen it.

use super::{
    Aggregate, Command, Decision, FieldPath, Map, Merge, Operation, Schema, Value, decide,
};
use crate::{Code, Error, Result};

/// A change that waited for delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// [`Command::Merge`] or [`Command::Operate`].
    pub command: Command,
    /// The state that it was made upon; `None` if it applies to any.
    pub base: Option<Value>,
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

/// Decides one pending change upon `aggregate`. `foreign` is the state before the first change of the
/// same caller was brought in: what differs there from the base was done by others.
pub fn reconcile(
    schema: &Schema,
    aggregate: &Aggregate,
    foreign: &Value,
    pending: Pending,
    now_us: i64,
) -> Settlement {
    let Pending { command, base } = pending;
    let mut merging = Merging { schema, base: base.as_ref(), foreign, fields: Vec::new() };
    let command = match command {
        Command::Merge { patch, create_missing } => {
            let patch = merging.patch(patch, &aggregate.state);
            Command::Merge { patch, create_missing }
        }
        Command::Operate { operations, create_missing } => {
            let settle = |operation| merging.operation(operation, &aggregate.state);
            let operations = operations.into_iter().filter_map(settle).collect();
            Command::Operate { operations, create_missing }
        }
        command => command,
    };
    let mut fields = merging.fields;
    let lost = |(_, resolution): &(_, Resolution)| *resolution == Resolution::Kept;
    let decision = if !fields.is_empty() && fields.iter().all(lost) {
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
    foreign: &'a Value,
    fields: Vec<(FieldPath, Resolution)>,
}

impl Merging<'_> {
    /// The patch without what lost, with what was merged.
    fn patch(&mut self, patch: Value, present: &Value) -> Value {
        match patch {
            Value::Map(map) => self.patch_map(map, &mut Vec::new(), present).into(),
            other => other,
        }
    }

    fn patch_map(&mut self, patch: Map, names: &mut Vec<Box<str>>, present: &Value) -> Map {
        let mut settled = Vec::with_capacity(patch.len());
        for (name, value) in patch {
            names.push(name.clone());
            let path = FieldPath::from_names(names.iter().map(|name| &**name));
            let value = match (value, path) {
                (Value::Map(inner), _) if !inner.is_empty() => {
                    Some(self.patch_map(inner, names, present).into())
                }
                (value, Ok(path)) => self.leaf(&path, value, present),
                // Too long for a path, and thus for a state: the decision refuses it by its limits.
                (value, Err(_)) => Some(value),
            };
            names.pop();
            settled.extend(value.map(|value| (name, value)));
        }
        Map::from_entries(settled)
    }

    fn leaf(&mut self, path: &FieldPath, value: Value, present: &Value) -> Option<Value> {
        let (resolution, value) = self.settle(path, value, present);
        self.fields.push((path.clone(), resolution));
        value
    }

    fn operation(&mut self, operation: Operation, present: &Value) -> Option<Operation> {
        let path = operation.path().clone();
        match operation {
            Operation::Set { value, .. } => {
                let value = self.leaf(&path, value, present)?;
                Some(Operation::Set { path, value })
            }
            Operation::Remove { .. } => {
                self.leaf(&path, Value::Null, present)?;
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
    fn settle(
        &self,
        path: &FieldPath,
        value: Value,
        present: &Value,
    ) -> (Resolution, Option<Value>) {
        if !self.is_contested(path) {
            return (Resolution::Applied, Some(value));
        }
        let merge = self.schema.field(path).map_or(Merge::default(), |field| field.merge);
        let now = present.get(path).unwrap_or(&Value::Null);
        let base = self.base.and_then(|base| base.get(path)).unwrap_or(&Value::Null);
        match merged(merge, base, now, &value) {
            Some(value) => (Resolution::Merged, Some(value)),
            None if *now == value => (Resolution::Applied, Some(value)),
            None => (Resolution::Kept, None),
        }
    }

    /// Whether others changed the field since the base.
    fn is_contested(&self, path: &FieldPath) -> bool {
        self.base.is_some_and(|base| base.get(path) != self.foreign.get(path))
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
