//! Replicas of a database server, whether the driver is built in or not.

use std::time::Duration;

use gamemesh_repository::LogName;

use crate::BackendError;
use crate::scheme::Scheme;

/// A replica as this process sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Replica {
    /// `host:port`.
    pub name: String,
    /// Whether reads go to it now.
    pub is_used: bool,
    /// Since when it lacks something that the primary had.
    pub age: Duration,
    pub latency: Duration,
    pub reads_total: u64,
    /// Reads that it did not answer and the primary did.
    pub failures_total: u64,
}

/// What a server that is named as a replica turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standby {
    /// Of this store. What it has not replayed yet, in bytes.
    Behind(u64),
    OfAnotherStore,
    /// It takes writes of its own.
    Primary,
}

/// Looks at a server that is named as a replica of a store.
#[cfg(feature = "postgres")]
pub async fn standby(url: &str, replica: &str, log: LogName) -> Result<Standby, BackendError> {
    use gamemesh_postgres::{PostgresOptions, Standby as Found};
    // A replica of something else than a database server is said to be so.
    let (Scheme::Postgres, Scheme::Postgres) = (Scheme::of(url)?, Scheme::of(replica)?) else {
        return Err(BackendError::NothingThere { url: url.to_owned() });
    };
    let found = gamemesh_postgres::standby(url, replica, &PostgresOptions::of(log)).await?;
    Ok(match found {
        Found::Behind(bytes) => Standby::Behind(bytes),
        Found::OfAnotherStore => Standby::OfAnotherStore,
        Found::Primary => Standby::Primary,
    })
}

/// Without the driver there is no such server.
#[cfg(not(feature = "postgres"))]
pub async fn standby(url: &str, replica: &str, _: LogName) -> Result<Standby, BackendError> {
    Scheme::of(replica)?;
    Err(BackendError::NothingThere { url: url.to_owned() })
}

#[cfg(feature = "postgres")]
impl From<gamemesh_postgres::ReplicaStatistics> for Replica {
    fn from(from: gamemesh_postgres::ReplicaStatistics) -> Self {
        Self {
            name: from.name,
            is_used: from.is_used,
            age: from.age,
            latency: from.latency,
            reads_total: from.reads_total,
            failures_total: from.failures_total,
        }
    }
}
