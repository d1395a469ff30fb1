#![doc = include_str!("../README.md")]

mod contracts;
mod only;
pub mod rust;
#[cfg(test)]
mod tests;
pub mod wire;

pub use contracts::{Contracts, Method, Undeclared};
pub use wire::{Effect, MethodFacts, Retry, Role};
