//! What aggregates of a type look like, and what may happen to them.

use super::{AggregateType, FieldPath, Value};

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
/// passed over, except where a rule says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    /// A number within bounds.
    Range { path: FieldPath, min: Option<f64>, max: Option<f64> },
    /// A number that changes by at most `per_second_max` × seconds since the last change + `burst`.
    RateOfChange { path: FieldPath, per_second_max: f64, burst: f64, increase_only: bool },
    /// Whole numbers whose sum, over all aggregates of one transaction, stays as it was; of a map,
    /// each entry by its name. Validators of several types that name the same `quantity` are summed
    /// together; without a name a validator is summed by itself. Absent fields count as 0.
    Conserved { quantity: String, paths: Vec<FieldPath> },
    /// A position that moves by at most `units_per_second_max` × seconds since the last change +
    /// `tolerance_units`, along two or three coordinates.
    PositionSpeed { paths: Vec<FieldPath>, units_per_second_max: f64, tolerance_units: f64 },
    /// A field that never changes once it is set.
    Immutable { path: FieldPath },
    /// A number that never falls.
    Monotonic { path: FieldPath },
    /// A text that changes only along declared steps, from and to.
    Transition { path: FieldPath, allowed: Vec<(String, String)> },
}
