//! What an operator chooses.

use std::time::Duration;

use gamemesh_repository::LogName;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Which log: it decides the schema of the database, and the tables in it.
    pub log: LogName,
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

impl PostgresOptions {
    /// The defaults of a log. Lanes are what instances share out, so the logs with much to share have
    /// more of them; each costs every instance a connection.
    pub fn of(log: LogName) -> Self {
        let lanes = match log {
            LogName::State | LogName::Combat => 4,
            LogName::Stats | LogName::Memory => 2,
        };
        Self { log, lanes, ..Self::default() }
    }

    /// Connections that are not for reading: one for each lane, one that watches the lanes, one for the
    /// lease.
    pub fn connections_fixed(lanes: u16) -> u32 {
        u32::from(lanes) + 2
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            log: LogName::State,
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
