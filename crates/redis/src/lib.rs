#![doc = include_str!("../README.md")]

mod address;
mod cache;
mod cluster;
mod connection;
mod counters;
mod envelope;
mod error;
mod keys;
mod listener;
mod news;
mod options;
mod order;
mod pool;
mod reads;
mod script;
mod topology;

pub use cache::RedisCache;
pub use error::OpenError;
pub use gamemesh_guard::PoolStatistics;
pub use options::RedisOptions;
