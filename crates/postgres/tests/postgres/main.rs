//! A store on a real server: one that is started for these tests, or the one of POSTGRES_URL.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

mod absence;
mod combat;
mod conformance;
mod defects;
mod erasure;
mod faults;
mod fence;
mod instances;
mod load;
mod logs;
mod memories;
mod replicas;
mod schema;
mod server;
mod stale;
mod stats;
mod together;
mod vectors;
mod warm;
