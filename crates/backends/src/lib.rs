#![doc = include_str!("../README.md")]

mod budget;
mod bus;
mod cache;
mod error;
mod replicas;
mod scheme;
mod server_clock;
mod stats;

use std::path::PathBuf;
use std::sync::Arc;

pub use gamemesh_cache::L2Statistics;
pub use gamemesh_guard::PoolStatistics;
#[cfg(feature = "postgres")]
use gamemesh_postgres::{PostgresOptions, PostgresStore};
use gamemesh_repository::memory::MemoryStore;
use gamemesh_repository::{
    CombatTables, Cursors, DocumentTables, EventLog, LaneLeases, LogName, MemoryTables, Snapshots,
    StatsTables, TableWriter,
};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};

pub use bus::{Brokers, Bus, open_bus};
pub use cache::{CacheCapacity, CacheTls, SharedCache, open_cache};
pub use error::BackendError;
pub use gamemesh_sqlite::Migrated;
pub use replicas::{Replica, Standby, standby};
use scheme::Scheme;
pub use server_clock::server_time_us;
pub use stats::StoreStats;

/// The ports of a log's store, and what only its owner does with it.
#[derive(Clone)]
pub struct Backends {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub cursors: Arc<dyn Cursors>,
    pub tables: Arc<dyn TableWriter>,
    /// Where the service of this log keeps documents; elsewhere there are no such tables.
    pub documents: Arc<dyn DocumentTables>,
    /// What is remembered; of use in the log of that name.
    pub memories: Arc<dyn MemoryTables>,
    /// What matches came to; of use in the log of the stats.
    pub stats: Arc<dyn StatsTables>,
    /// Where this is the log of combat; elsewhere there are no such tables.
    pub combat: Arc<dyn CombatTables>,
    /// Of the instances that share the store, or of this process alone ([`Self::is_shared`]).
    pub leases: Arc<dyn LaneLeases>,
    store: Store,
}

#[derive(Clone)]
enum Store {
    Memory,
    Sqlite(Arc<SqliteStore>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<PostgresStore>),
}

/// What a store may take up, where it has such a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Connections that answer reads of a file.
    pub readers: u32,
    /// Writes that wait for the writer of a file.
    pub queue_max: usize,
    /// Connections to a database server that are kept open.
    pub server_connections_min: u32,
    /// Connections to a database server.
    pub server_connections_max: u32,
}

impl Capacity {
    /// The defaults, with so many connections for the reads of a file.
    pub fn with_readers(readers: u32) -> Self {
        Self { readers, ..Self::default() }
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            readers: 4,
            queue_max: SqliteOptions::default().queue_max,
            server_connections_min: 5,
            server_connections_max: 50,
        }
    }
}

/// Opens a log for this process: it is made, or brought to the current schema, as needed. Where several
/// are opened, each gets its part of the capacity ([`Capacity::of`]).
pub async fn open(url: &str, log: LogName, capacity: Capacity) -> Result<Backends, BackendError> {
    open_with_replicas(url, &[], log, capacity).await
}

/// The same, with replicas of a database server that answer reads. They need not be there; a store of
/// another kind has none.
pub async fn open_with_replicas(
    url: &str,
    replicas: &[String],
    log: LogName,
    capacity: Capacity,
) -> Result<Backends, BackendError> {
    #[cfg(not(feature = "postgres"))]
    let _ = replicas;
    match Scheme::of(url)? {
        Scheme::Memory => Ok(Backends::over(MemoryStore::new(), Store::Memory)),
        Scheme::Sqlite => {
            let Capacity { readers, queue_max, .. } = capacity;
            let options = SqliteOptions { log, readers, queue_max, ..SqliteOptions::default() };
            Ok(Backends::sqlite(SqliteStore::open(url, options).await?))
        }
        #[cfg(feature = "postgres")]
        Scheme::Postgres => {
            let options = PostgresOptions {
                connections_min: capacity.server_connections_min,
                connections_max: capacity.server_connections_max,
                ..PostgresOptions::of(log)
            };
            let store = PostgresStore::open_with_replicas(url, replicas, options).await?;
            Ok(Backends::postgres(store))
        }
    }
}

/// Opens a log to look at it, beside its owner if it has one.
pub async fn open_read_only(url: &str, log: LogName) -> Result<Backends, BackendError> {
    match Scheme::of(url)? {
        Scheme::Memory => Err(BackendError::NothingThere { url: url.to_owned() }),
        Scheme::Sqlite => {
            let options = SqliteOptions { log, read_only: true, ..SqliteOptions::default() };
            Ok(Backends::sqlite(SqliteStore::open(url, options).await?))
        }
        #[cfg(feature = "postgres")]
        Scheme::Postgres => {
            let options =
                PostgresOptions { read_only: true, connections_min: 0, ..PostgresOptions::of(log) };
            Ok(Backends::postgres(PostgresStore::open(url, options).await?))
        }
    }
}

/// The logs that there are at a URL, of whatever schema.
pub async fn present(url: &str) -> Result<Vec<LogName>, BackendError> {
    match Scheme::of(url)? {
        Scheme::Memory => Err(BackendError::NothingThere { url: url.to_owned() }),
        Scheme::Sqlite => {
            let mut present = Vec::new();
            for log in LogName::ALL {
                if gamemesh_sqlite::path_of(url, log)?.exists() {
                    present.push(log);
                }
            }
            Ok(present)
        }
        #[cfg(feature = "postgres")]
        Scheme::Postgres => {
            let mut present = Vec::new();
            for log in LogName::ALL {
                if gamemesh_postgres::exists(url, &PostgresOptions::of(log)).await? {
                    present.push(log);
                }
            }
            Ok(present)
        }
    }
}

/// Brings a log to the current schema, making it if it is absent.
pub async fn migrate(url: &str, log: LogName) -> Result<Migrated, BackendError> {
    match Scheme::of(url)? {
        Scheme::Memory => Err(BackendError::NothingThere { url: url.to_owned() }),
        Scheme::Sqlite => Ok(gamemesh_sqlite::migrate(url, log).await?),
        #[cfg(feature = "postgres")]
        Scheme::Postgres => {
            let options = PostgresOptions::of(log);
            let migrated = gamemesh_postgres::migrate(url, &options).await?;
            Ok(Migrated { from: migrated.from, to: migrated.to })
        }
    }
}

/// Where a store keeps what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the process that serves it: nothing survives its end.
    Process,
    File(PathBuf),
    DatabaseServer,
}

/// Where a log keeps what it holds.
pub fn place(url: &str, log: LogName) -> Result<Place, BackendError> {
    match Scheme::of(url)? {
        Scheme::Memory => Ok(Place::Process),
        Scheme::Sqlite => Ok(Place::File(gamemesh_sqlite::path_of(url, log)?)),
        #[cfg(feature = "postgres")]
        Scheme::Postgres => Ok(Place::DatabaseServer),
    }
}

impl Backends {
    fn sqlite(store: Arc<SqliteStore>) -> Self {
        Self::over(store.clone(), Store::Sqlite(store))
    }

    #[cfg(feature = "postgres")]
    fn postgres(store: Arc<PostgresStore>) -> Self {
        Self::over(store.clone(), Store::Postgres(store))
    }

    fn over<P>(ports: Arc<P>, store: Store) -> Self
    where
        P: EventLog
            + Snapshots
            + Cursors
            + TableWriter
            + DocumentTables
            + MemoryTables
            + StatsTables
            + CombatTables
            + LaneLeases,
    {
        Self {
            log: ports.clone(),
            snapshots: ports.clone(),
            cursors: ports.clone(),
            tables: ports.clone(),
            documents: ports.clone(),
            memories: ports.clone(),
            stats: ports.clone(),
            combat: ports.clone(),
            leases: ports,
            store,
        }
    }

    /// Whether several instances may have the store at a time. Otherwise every lane is this process's
    /// to own.
    pub fn is_shared(&self) -> bool {
        match &self.store {
            Store::Memory | Store::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => true,
        }
    }

    /// The pool of connections to the database server, where there is one.
    pub fn pool_statistics(&self) -> Option<PoolStatistics> {
        match &self.store {
            Store::Memory | Store::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Store::Postgres(store) => Some(store.pool_statistics()),
        }
    }

    /// The replicas that answer reads; none where there are no such.
    pub fn replicas(&self) -> Vec<Replica> {
        match &self.store {
            Store::Memory | Store::Sqlite(_) => Vec::new(),
            #[cfg(feature = "postgres")]
            Store::Postgres(store) => {
                store.replica_statistics().into_iter().map(Into::into).collect()
            }
        }
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        match &self.store {
            Store::Memory => false,
            Store::Sqlite(store) => store.is_read_only(),
            #[cfg(feature = "postgres")]
            Store::Postgres(store) => store.is_read_only(),
        }
    }

    /// Finishes the writes that wait, and gives the store up.
    pub async fn close(&self) {
        match &self.store {
            Store::Memory => {}
            Store::Sqlite(store) => store.close().await,
            #[cfg(feature = "postgres")]
            Store::Postgres(store) => store.close().await,
        }
    }
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.store {
            Store::Memory => "memory",
            Store::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => "postgres",
        };
        f.debug_struct("Backends").field("store", &name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_scheme_chooses_the_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let url = format!("sqlite://{}", path.display());
        let opened = open(&url, LogName::State, Capacity::default()).await.unwrap();
        assert_eq!(opened.log.lanes(), 1);
        assert!(!opened.is_shared());
        assert_eq!(opened.leases.membership().await.unwrap().lanes.len(), 1);
        assert!(!opened.is_read_only());
        assert!(path.exists());

        let beside = open_read_only(&url, LogName::State).await.unwrap();
        assert!(beside.is_read_only());
        assert_eq!(beside.stats().await.unwrap().events, 0);
        opened.close().await;

        assert_eq!(place(&url, LogName::State).unwrap(), Place::File(path));
        assert_eq!(
            open("memory:", LogName::State, Capacity::default()).await.unwrap().log.lanes(),
            1
        );
        assert_eq!(place("memory:", LogName::State).unwrap(), Place::Process);
    }

    #[tokio::test]
    async fn logs_are_opened_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        assert_eq!(present(&url).await.unwrap(), []);
        let capacity = Capacity::default();
        let state = open(&url, LogName::State, capacity).await.unwrap();
        let stats = open(&url, LogName::Stats, capacity).await.unwrap();
        assert_ne!(state.log.incarnation(), stats.log.incarnation());
        assert_eq!(present(&url).await.unwrap(), [LogName::State, LogName::Stats]);
        migrate(&url, LogName::Memory).await.unwrap();
        assert_eq!(present(&url).await.unwrap().len(), 3);
        let missing = open_read_only(&url, LogName::Combat).await.unwrap_err();
        assert!(missing.to_string().contains("a-combat.db does not exist"), "{missing}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_refused_with_what_is() {
        for url in ["mysql://h/d", "", "data/gamemesh.db"] {
            let error =
                open(url, LogName::State, Capacity::default()).await.unwrap_err().to_string();
            assert!(error.contains("sqlite://") && error.contains("memory:"), "{url}: {error}");
        }
        // Nothing listens on port 1; with the driver or without, the password stays unsaid.
        let url = "postgres://user:secret@127.0.0.1:1/d";
        let error = open(url, LogName::State, Capacity::default()).await.unwrap_err();
        assert_eq!(error.is_configuration(), cfg!(not(feature = "postgres")), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(place(url, LogName::State).is_ok(), cfg!(feature = "postgres"));
        assert!(open_read_only("memory:", LogName::State).await.is_err());
        assert!(migrate("memory:", LogName::State).await.is_err());
    }
}
