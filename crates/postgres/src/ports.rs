//! The four ports: appends go to the queue, leases have a connection of their own, everything else
//! goes to one of the pool.

pub(crate) mod leases;
mod log;
mod project;
mod projections;
mod snapshots;
