//! Rules of the state service: values, schemas, operations, validators, filters, differences.
//!
//! An [`Aggregate`] is a document with a history. [`Aggregate::evolve`] folds each [`Change`], and
//! nothing else, into its state.

mod aggregate;
mod ids;
mod operation;
mod patch;
mod path;
mod schema;
mod value;

pub use aggregate::{Aggregate, Change};
pub use ids::{AggregateId, AggregateType};
pub use operation::{Increment, Operation, apply_all, check_operations};
pub use patch::merge_patch;
pub use path::FieldPath;
pub use schema::{Declaration, Field, Merge, Validator, ValueSchema};
pub use value::{Fraction, Kind, Map, Number, Value, limits};
