//! Rules of JSON documents: values, schemas, operations, validators, filters, differences.
//!
//! An [`Aggregate`] is a document with a history. A [`Command`] says what a caller wants; [`decide`]
//! turns it into a [`Change`] or refuses it; [`Aggregate::evolve`] folds changes, and nothing else,
//! into the state.

mod aggregate;
mod allowance;
mod decide;
mod diff;
mod filter;
mod ids;
mod operation;
mod patch;
mod path;
mod reconcile;
mod schema;
mod timestamp;
mod value;

pub use aggregate::{Aggregate, Change};
pub use allowance::{Allowance, Rates};
pub use decide::{Command, Decision, EVENT_KIND_BYTES_MAX, Expectation, decide};
pub use diff::{Difference, DifferenceKind, change_between, diff, merge_patch_between};
pub use filter::{EventFacts, Facts, Filter};
pub use ids::{AggregateId, AggregateType};
pub use limits::check_limits;
pub use operation::{Increment, Operation, apply_all, check_operations};
pub use patch::merge_patch;
pub use path::FieldPath;
pub use reconcile::{Base, FieldOutcome, OwnStep, Pending, Resolution, Settlement, reconcile};
pub use schema::{
    Declaration, Field, Merge, Part, Schema, Validator, ValueSchema, check_conserved,
};
pub(crate) use timestamp::{civil_date, civil_day};
pub use timestamp::{format_timestamp, parse_timestamp};
pub use value::{Fraction, Kind, Map, Number, Value, limits};

#[cfg(test)]
mod arbitrary;
