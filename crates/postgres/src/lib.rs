#![doc = include_str!("../README.md")]

mod connect;
mod document;
mod error;
mod keys;
mod local_runs;
mod names;
mod options;
mod pool;
mod ports;
mod read;
mod replicas;
mod schema;
mod stats;
mod store;
mod tables;
mod tail;
mod types;
mod verify;
mod writer;

pub use error::OpenError;
pub use gamemesh_guard::PoolStatistics;
pub use options::PostgresOptions;
pub use replicas::{ReplicaStatistics, Standby, standby};
pub use schema::{Migrated, schema_version};
pub use stats::Stats;
pub use store::{PostgresStore, exists, migrate, server_time_us};
