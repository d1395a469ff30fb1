//! Rules of the state service: the types that ship, and the global state.
//!
//! Players, matches and everything else are documents; their rules are in [`crate::document`].

mod builtin;
mod global;

pub use builtin::{BUILTIN_TYPES, builtin_schemas};
pub use global::{Counts, GlobalFold};
