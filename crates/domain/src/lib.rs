//! The game's rules: pure functions without I/O, clock, randomness or async.
//!
//! Time, chance and identity are arguments. Whatever a rule refuses is an [`Error`] that names a
//! [`Code`] of the one error table; nothing here knows gRPC, HTTP, protobuf or SQL.

mod code;
pub mod combat;
pub mod document;
mod error;
pub mod memory;
pub mod state;
pub mod stats;

pub use code::Code;
pub use error::{Detail, Error, Result};
