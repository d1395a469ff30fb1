#![doc = include_str!("../README.md")]

mod bytes;
mod exact;
mod page;
mod question;
mod shelf;
#[cfg(test)]
mod tests;

pub use bytes::{Product, product};
pub use page::{Estimate, Likeness, Page};
pub use question::Question;
pub use shelf::Shelf;
