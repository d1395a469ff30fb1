#![doc = include_str!("../README.md")]

mod address;
mod announcement;
mod cache;
mod client;
mod cluster;
mod connection;
mod connections;
mod copies;
mod counters;
mod envelope;
mod error;
mod keys;
mod listener;
mod options;
mod order;
mod reads;
mod script;
mod topology;

pub use cache::RedisCache;
pub use error::OpenError;
pub use gamemesh_guard::PoolStatistics;
pub use options::{RedisOptions, RedisTls};
