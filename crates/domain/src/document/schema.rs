//! What aggregates of a type look like, and what may happen to them.

mod conserved;
mod declared;
mod shape;
mod validator;

pub use conserved::{Part, check_conserved};

use super::{AggregateType, Allowance, FieldPath, Operation, Rates, Value};
use crate::Result;
use shape::Node;

/// Fields of a type.
const FIELDS_MAX: usize = 256;
/// Validators of a type.
const VALIDATORS_MAX: usize = 64;
/// Values that a text field lists, and steps of a transition.
const CHOICES_MAX: usize = 256;

/// A declaration that was found sound, in the form that checks are fast with.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    declaration: Declaration,
    tree: Node,
}

/// A type as its author declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    pub type_name: AggregateType,
    pub description: String,
    pub fields: Vec<Field>,
    /// Whether fields that are not declared are allowed.
    pub open: bool,
    pub validators: Vec<Validator>,
    /// Ships with the product and cannot be registered anew.
    pub builtin: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub path: FieldPath,
    pub description: String,
    pub value: ValueSchema,
    /// Whether a state without it is refused.
    pub required: bool,
    /// Taken when the aggregate is created without it.
    pub default: Option<Value>,
    pub merge: Merge,
}

/// What values a field takes. Unset bounds are the limits of every value.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueSchema {
    Bool,
    Int {
        min: Option<i64>,
        max: Option<i64>,
    },
    Float {
        min: Option<f64>,
        max: Option<f64>,
    },
    Text {
        bytes_max: Option<u32>,
        one_of: Vec<String>,
    },
    List {
        of: Option<Box<ValueSchema>>,
        length_max: Option<u32>,
    },
    Map {
        of: Option<Box<ValueSchema>>,
        length_max: Option<u32>,
    },
    Any,
    /// An instant, as RFC 3339 text.
    Timestamp,
}

/// How concurrent writes of several regions merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merge {
    /// The later write by hybrid logical clock.
    #[default]
    LastWriterWins,
    /// Increments of all regions add up.
    Counter,
    /// As a counter, and never below its bound.
    BoundedCounter,
    Maximum,
    Minimum,
    /// A set; an addition wins over a concurrent removal.
    AddWinsSet,
    /// A set; a removal wins over a concurrent addition.
    RemoveWinsSet,
    /// A map, merged name by name.
    Map,
    /// Written only in the aggregate's home region.
    HomeOnly,
    /// Written only by its owner; ownership can be handed over.
    Owned,
}

/// A rule that a change must keep. A field that is absent or null before or after the change is
/// passed over, except where a rule says otherwise; so is one that the change leaves as it was: what
/// came to be before a rule did stands in the way of no change but its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    /// A number within bounds.
    Range { path: FieldPath, min: Option<f64>, max: Option<f64> },
    /// A number that changes by at most `per_second_max` × seconds, plus `burst` that is spent and fills
    /// up again with time: see [`Allowance`].
    RateOfChange { path: FieldPath, per_second_max: f64, burst: f64, increase_only: bool },
    /// Whole numbers whose sum, over all aggregates of one transaction, stays as it was; of a map,
    /// each entry by its name. Validators of several types that name the same `quantity` are summed
    /// together; without a name a validator is summed by itself. Absent fields count as 0.
    Conserved { quantity: String, paths: Vec<FieldPath> },
    /// A position that moves by at most `units_per_second_max` × seconds, plus `tolerance_units` that are
    /// spent and fill up again with time, along two or three coordinates.
    PositionSpeed { paths: Vec<FieldPath>, units_per_second_max: f64, tolerance_units: f64 },
    /// A field that never changes once it is set.
    Immutable { path: FieldPath },
    /// A number that never falls.
    Monotonic { path: FieldPath },
    /// A text that changes only along declared steps, from and to.
    Transition { path: FieldPath, allowed: Vec<(String, String)> },
}

impl Schema {
    /// Refuses a declaration that contradicts itself.
    pub fn new(declaration: Declaration) -> Result<Self> {
        declared::check(&declaration)?;
        let tree = Node::of(&declaration.fields);
        Ok(Self { declaration, tree })
    }

    pub const fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    pub const fn type_name(&self) -> &AggregateType {
        &self.declaration.type_name
    }

    /// The declared field that `path` is, or lies in.
    pub fn field(&self, path: &FieldPath) -> Option<&Field> {
        let fields = &self.declaration.fields;
        let covering = fields.iter().filter(|field| field.path.covers(path));
        covering.max_by_key(|field| field.path.as_str().len())
    }

    /// Whether a state of this type could have something at `path`.
    pub fn may_hold(&self, path: &FieldPath) -> bool {
        let holds = |field: &Field| {
            let below = matches!(
                field.value,
                ValueSchema::Map { .. } | ValueSchema::Any | ValueSchema::List { .. }
            );
            field.path == *path || path.covers(&field.path) || (below && field.path.covers(path))
        };
        self.declaration.open || self.declaration.fields.iter().any(holds)
    }

    /// The declared field whose name is written most like `path`, if one is near.
    pub fn nearest(&self, path: &FieldPath) -> Option<&FieldPath> {
        /// Less alike than this is another word.
        const LIKENESS_MIN: f64 = 0.7;
        let plain = |path: &FieldPath| {
            let letters = path.as_str().chars().filter(|c| c.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect::<String>()
        };
        let asked = plain(path);
        let fields = self.declaration.fields.iter().map(|field| &field.path);
        let likeness =
            |path: &FieldPath| strsim::normalized_damerau_levenshtein(&plain(path), &asked);
        let near = fields.map(|path| (likeness(path), path)).filter(|(l, _)| *l >= LIKENESS_MIN);
        near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, path)| path)
    }

    /// Puts the declared defaults where `state` has nothing.
    pub fn fill_defaults(&self, state: &mut Value) {
        for field in &self.declaration.fields {
            let Some(default) = &field.default else { continue };
            if state.get(&field.path).is_none_or(Value::is_null) {
                let set =
                    super::Operation::Set { path: field.path.clone(), value: default.clone() };
                // Where something other than a map is in the way, the check of the shape says so.
                let _ = set.apply(state);
            }
        }
    }

    /// Operations that put declared defaults where a required field is missing, as it was `before`: it was
    /// declared later than the aggregate came to be.
    pub fn missing(&self, before: &Value, after: &Value) -> Vec<Operation> {
        let is_missing =
            |state: &Value, path: &FieldPath| state.get(path).is_none_or(Value::is_null);
        let required = self.declaration.fields.iter().filter(|field| field.required);
        required
            .filter(|field| is_missing(before, &field.path) && is_missing(after, &field.path))
            .filter_map(|field| {
                let value = field.default.clone()?;
                Some(Operation::Set { path: field.path.clone(), value })
            })
            .collect()
    }

    /// Whether `state` has the declared shape; all that does not fit is named, up to a bound.
    pub fn check_shape(&self, state: &Value) -> Result<()> {
        shape::check(self, &Value::Null, state)
    }

    /// Whether `after` keeps the declared shape and every rule about states. What does not fit and is as
    /// it was `before` (null if the aggregate did not exist) is passed over: it came to be before it was
    /// declared otherwise, and nobody could repair one field beside another.
    pub fn check_state(&self, before: &Value, after: &Value) -> Result<()> {
        shape::check(self, before, after)?;
        let validators = self.declaration.validators.iter();
        let mut ranges = validators.filter(|rule| matches!(rule, Validator::Range { .. }));
        ranges.try_for_each(|range| validator::check(range, before, after))
    }

    /// Whether the change from `before` (null if the aggregate did not exist) to `after` keeps the
    /// declared shape and every validator but [`Validator::Conserved`], which looks at a whole
    /// transaction. Answers what it leaves of the allowances that it uses.
    pub fn check(
        &self,
        before: &Value,
        after: &Value,
        rates: &Rates<'_>,
    ) -> Result<Vec<Allowance>> {
        shape::check(self, before, after)?;
        let touched = match (before, after) {
            (Value::Map(before), Value::Map(after)) => after.touched(before),
            _ => None,
        };
        // Most changes touch one field, and most rules are about others.
        let is_touched = |path: &FieldPath| {
            let names = touched.as_deref();
            names.is_none_or(|names| names.iter().any(|name| path.begins_with(name)))
                && !before.shares(after, path)
        };
        let mut left = Vec::new();
        let validators = self.declaration.validators.iter();
        for validator in validators.filter(|rule| rule.paths().iter().any(is_touched)) {
            validator::check(validator, before, after)?;
            left.extend(validator::spend(validator, before, after, rates)?);
        }
        Ok(left)
    }
}

impl Validator {
    /// What kind of rule this is, for messages and statistics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Range { .. } => "range",
            Self::RateOfChange { .. } => "rate_of_change",
            Self::Conserved { .. } => "conserved",
            Self::PositionSpeed { .. } => "position_speed",
            Self::Immutable { .. } => "immutable",
            Self::Monotonic { .. } => "monotonic",
            Self::Transition { .. } => "transition",
        }
    }

    /// The fields that it looks at.
    pub fn paths(&self) -> &[FieldPath] {
        match self {
            Self::Range { path, .. }
            | Self::RateOfChange { path, .. }
            | Self::Immutable { path }
            | Self::Monotonic { path }
            | Self::Transition { path, .. } => std::slice::from_ref(path),
            Self::Conserved { paths, .. } | Self::PositionSpeed { paths, .. } => paths,
        }
    }
}

#[cfg(test)]
mod tests;
