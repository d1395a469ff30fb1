//! The ports, but for those that read tables: appends go to the queue, leases have a connection of their own, everything else
//! goes to one of the pool.

mod cursors;
pub(crate) mod leases;
mod log;
mod snapshots;
