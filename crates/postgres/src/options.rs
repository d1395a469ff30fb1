//! What an operator chooses.

use std::time::Duration;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Lanes of a store that is made now; one that exists keeps its own.
    pub lanes: u16,
    /// Connections that are kept open, of those for reading.
    pub connections_min: u32,
    /// Connections of this instance: one for each lane, one that watches the lanes, one for its lease,
    /// and those for reading, of which there is at least one.
    pub connections_max: u32,
    /// Callers that may wait for a connection; the next one is refused at once.
    pub waiters_max: u32,
    /// How long one of them waits.
    pub wait_max: Duration,
    /// How long the server works on one statement.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock. Longer than a transaction may be idle, so that one
    /// whose owner sleeps is ended before those who wait for it.
    pub lock_timeout: Duration,
    /// How long a transaction may wait for its next statement: a lane stands still for so long when
    /// the instance that holds it sleeps.
    pub idle_in_transaction_timeout: Duration,
    /// Only read: nothing is made or migrated, and every write is refused.
    pub read_only: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            lanes: 4,
            connections_min: 5,
            connections_max: 50,
            waiters_max: 100,
            wait_max: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(2),
            read_only: false,
        }
    }
}
