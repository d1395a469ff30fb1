#![doc = include_str!("../README.md")]

mod bytes;
mod exact;
mod linear;
mod page;
mod question;
mod shelf;
#[cfg(test)]
mod tests;

pub use bytes::{Product, product};
pub use linear::{dot32, linear};
pub use page::{Estimate, Likeness, Page};
pub use question::Question;
pub use shelf::Shelf;
