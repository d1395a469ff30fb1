#![doc = include_str!("../README.md")]

mod backoff;
mod batch;
mod error;
mod options;
mod producer;
mod publisher;
mod session;

pub use error::OpenError;
pub use options::KafkaOptions;
pub use publisher::KafkaPublisher;
