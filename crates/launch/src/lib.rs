#![doc = include_str!("../README.md")]

mod assemble;
mod connection;
mod deferred_connection;
mod drain;
mod framing;
mod guarded;
mod identified;
mod listen;
mod protocol_router;
mod runtime;
mod serve;
mod signals;
mod tls;
mod web;

pub use assemble::{App, Setup, Upstream, assemble};
pub use deferred_connection::{DeferState, DeferredConnection, InFlightGuard};
pub use drain::Outcome;
pub use listen::Listener;
pub use runtime::{RuntimeError, runtime};
pub use signals::{Signals, Trigger};
