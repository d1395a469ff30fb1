#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
mod consumer;
mod local;
mod message;
mod publisher;
mod security;

pub use consumer::{
    CommitOffset, ConsumeError, Consumer, ConsumerEvent, ConsumerOptions, Consumers, Generation,
    ReceivedHeader, ReceivedMessage, StartOffset, TopicPartition,
};
pub use local::{LocalBus, PARTITION_BYTES_MAX, PARTITION_MESSAGES_MAX};
pub use message::{Header, Message};
pub use publisher::{Pending, PublishError, Publisher, Refused, Session};
pub use security::{BrokerSecurity, Sasl, SaslMechanism, SecurityProtocol};
