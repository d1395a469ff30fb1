#![doc = include_str!("../README.md")]

mod checkpoint;
mod connect;
mod error;
mod lock;
mod options;
mod ports;
mod read;
mod readers;
mod rows;
mod schema;
mod stats;
mod store;
mod tables;
mod verify;
mod writer;

pub use error::OpenError;
pub use options::{SqliteOptions, path_of};
pub use schema::{Migrated, schema_version};
pub use stats::Stats;
pub use store::{SqliteStore, migrate};
