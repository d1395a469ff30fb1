//! The bus on a real broker: one that is started for these tests, or that of KAFKA_BROKERS.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod consumer;
mod mock;
mod secure;
mod server;
