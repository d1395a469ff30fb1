#![doc = include_str!("../README.md")]

mod circuit_breaker;
mod state_machine;
mod wait_queue;

pub use circuit_breaker::{BreakerOpen, BreakerPermit, CircuitBreaker, Transition};
pub use state_machine::{FAILURES_MAX, OPEN, PROBE};
pub use wait_queue::{PoolStatistics, QueueError, QueuePermit, WaitQueue};
