//! The shared cache on real servers, which are started for these tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cluster;
mod conformance;
mod copies;
mod faults;
mod garbage;
mod listening;
mod load;
mod reads;
mod server;
mod tls;
