#![doc = include_str!("../README.md")]

mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod flight;
mod gather;
mod l1;
mod l2;
mod local;
mod statistics;

pub use changes::{Proof, RecentChanges};
pub use gather::{Answers, GatherLimits, Gathered, Gatherer, OnTheWay};
pub use l1::{Entry, L1, L1Statistics, Tier};
pub use l2::{Announcement, Envelope, Fill, Heard, L2, L2Error, Lifetimes, NEWS_WAITING_MAX};
pub use local::LocalL2;
pub use statistics::L2Statistics;
