#![doc = include_str!("../README.md")]

mod message;
mod metrics;
mod relay;

pub use message::{Encoder, TraceContext};
pub use metrics::OutboxMetrics;
pub use relay::Relay;
