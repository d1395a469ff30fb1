#![doc = include_str!("../README.md")]

mod breaker;
mod gate;
mod line;

pub use breaker::{FAILURES_MAX, OPEN, PROBE};
pub use gate::{Away, Entry, Gate, Turn};
pub use line::{Line, Place, PoolStatistics, Refused};
