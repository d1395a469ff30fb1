//! What the rules promise, by the names of what went wrong for others.

mod boards;
mod definitions;
mod orders;
mod sample;
mod totals;
