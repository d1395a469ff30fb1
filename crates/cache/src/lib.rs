#![doc = include_str!("../README.md")]

mod flight;
mod l1;

pub use l1::{Entry, L1, L1Statistics, Tier};
