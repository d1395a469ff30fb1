#![doc = include_str!("../README.md")]

mod batcher;
mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod copies;
mod flight;
mod l1;
mod l2;
mod local;
mod statistics;

pub use batcher::{BatchFn, BatchLimits, BatchSlot, Batcher, InFlight};
pub use changes::{Proof, RecentChanges};
pub use copies::{Copies, Copy};
pub use l1::{Entry, L1, L1Statistics, Tier};
pub use l2::{
    Announcement, BROADCAST_EVENTS_MAX, BroadcastEvent, Envelope, Fill, L2, L2Error, Lifetimes,
};
pub use local::LocalL2;
pub use statistics::L2Statistics;
