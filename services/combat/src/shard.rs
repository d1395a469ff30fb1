//! Shards: each owns sessions and nobody else touches them.

pub(crate) mod calendar;
pub(crate) mod command;
pub(crate) mod delay;
pub(crate) mod events;
mod hosted;
mod journal;
pub(crate) mod live;
mod member;
mod owner;
pub(crate) mod shards;
mod traces;
pub(crate) mod view;
