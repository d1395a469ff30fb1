//! The three ports: appends go to the queue, everything else to a connection of the pool.

mod log;
mod project;
mod projections;
mod snapshots;
