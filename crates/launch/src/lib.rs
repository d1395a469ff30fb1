#![doc = include_str!("../README.md")]

mod assemble;
mod connection;
mod drain;
mod guarded;
mod identified;
mod last_in_turn;
mod listen;
mod serve;
mod signals;
mod steer;
mod tls;
mod web;

pub use assemble::{App, Setup, Upstream, assemble};
pub use drain::Outcome;
pub use last_in_turn::{LastInTurn, Turn, UnderWay};
pub use listen::Listener;
pub use signals::{Signals, Trigger};
