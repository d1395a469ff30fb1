//! Unary calls of the load generator, with no more HTTP/2 around them than the wire asks for.
//!
//! What calls takes from the same cores as what answers, so a measurement of calls is one of their caller
//! as well. One task for each connection sends what is to be sent in one write and takes in what has come by
//! one read; nobody is woken for a call.

mod closed;
mod connection;
mod frames;
mod open;

use bytes::BytesMut;

pub(crate) use self::closed::{Client, callers, in_turn};
pub(crate) use self::open::Calls;

/// Appends a message.
pub(crate) fn put(message: &impl prost::Message, out: &mut BytesMut) {
    // It fails only where room is bounded.
    let _ = message.encode(out);
}

#[cfg(test)]
mod tests;
