#![doc = include_str!("../README.md")]

mod backoff;
mod batch;
mod consumer;
mod consumers;
mod error;
mod generation;
mod message;
mod options;
mod producer;
mod publisher;
mod rebalances;
mod security;
mod session;

pub use consumers::KafkaConsumers;
pub use error::OpenError;
pub use options::KafkaOptions;
pub use publisher::KafkaPublisher;
