#![doc = include_str!("../README.md")]

mod flight;
mod l1;
mod l2;

pub use l1::{Entry, L1, L1Statistics, Tier};
pub use l2::{Announcement, Envelope, Fill, Heard, L2, L2Error};
