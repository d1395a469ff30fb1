#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
mod local;
mod message;
mod publisher;

pub use local::{LocalBus, MAILBOX_MESSAGES_MAX, Subscription};
pub use message::{Header, Message};
pub use publisher::{Pending, PublishError, Publisher, Refused, Session};
