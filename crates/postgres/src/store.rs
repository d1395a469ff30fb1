//! Opening and closing.

use std::sync::Arc;
use std::time::Instant;

use gamemesh_repository::{Incarnation, LogError, LogName, SLICES, StoreSecret};
use parking_lot::Mutex;
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connect::Connector;
use crate::error::OpenError;
use crate::names::Names;
use crate::pool::Pool;
use crate::ports::leases::LeaseConnection;
use crate::replicas::Replicas;
use crate::schema::{self, Identity};
use crate::tail::{self, Tails};
use crate::writer::{Queue, Shared, Writer, queue};
use crate::{Migrated, PoolStatistics, PostgresOptions, ReplicaStatistics, keys};

/// One log in a PostgreSQL database, for any number of instances.
pub struct PostgresStore {
    pub(crate) log: LogName,
    pub(crate) incarnation: Incarnation,
    pub(crate) secret: StoreSecret,
    pub(crate) lanes: u16,
    pub(crate) pool: Arc<Pool>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) tails: Arc<Tails>,
    pub(crate) names: Names,
    /// Absent in a store that is only read.
    pub(crate) queue: Option<Queue>,
    pub(crate) leases: LeaseConnection,
    closing: Mutex<Option<Closing>>,
}

struct Closing {
    writer: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    background: Background,
}

/// Tasks that end with the store.
struct Background(Vec<JoinHandle<()>>);

/// Brings a store to the current schema, making it if it is absent.
pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<Migrated, OpenError> {
    let connector = Connector::new(url, options)?;
    let mut connection = first_connection(&connector).await?;
    let migrated = schema::migrate(&connector, &mut connection, lanes_of(options)).await?;
    connection.close().await.map_err(|error| schema::failed(&connector, error))?;
    Ok(migrated)
}

/// Whether there is such a store, of whatever schema.
pub async fn exists(url: &str, options: &PostgresOptions) -> Result<bool, OpenError> {
    let connector = Connector::new(url, options)?;
    let mut connection = first_connection(&connector).await?;
    let exists = match schema::found(&connector, &mut connection).await {
        Ok(found) => found > 0,
        Err(OpenError::Newer { .. }) => true,
        Err(error) => return Err(error),
    };
    connection.close().await.map_err(|error| schema::failed(&connector, error))?;
    Ok(exists)
}

/// The clock of the server, in microseconds since the Unix epoch.
pub async fn server_time_us(url: &str, options: &PostgresOptions) -> Result<i64, OpenError> {
    let connector = Connector::new(url, options)?;
    let mut connection = first_connection(&connector).await?;
    let asked = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let time_us = sqlx::query_scalar(asked).fetch_one(&mut connection).await;
    connection.close().await.ok();
    time_us.map_err(|error| schema::failed(&connector, error))
}

impl PostgresStore {
    /// Opens a store, making it or bringing it to the current schema as needed, unless the options
    /// say that it is only read.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Arc<Self>, OpenError> {
        Self::open_with_replicas(url, &[], options).await
    }

    /// The same, with standbys that answer reads. They may be away, and each may have as many connections
    /// for reading as the primary.
    pub async fn open_with_replicas(
        url: &str,
        replicas: &[String],
        options: PostgresOptions,
    ) -> Result<Arc<Self>, OpenError> {
        let connector = Connector::new(url, &options)?;
        let mut connection = first_connection(&connector).await?;
        if options.read_only {
            let (address, known) = (connector.address(), schema::schema_version(options.log));
            match schema::found(&connector, &mut connection).await? {
                0 => return Err(OpenError::Missing { address }),
                found if found == known => {}
                found => return Err(OpenError::Older { address, found, known }),
            }
        } else {
            schema::migrate(&connector, &mut connection, lanes_of(&options)).await?;
        }
        let Identity { incarnation, lanes } = schema::identity(&connector, &mut connection).await?;
        let secret = schema::secret(&connector, &mut connection).await?;
        let at = Instant::now();
        let positions = tail::positions(&mut connection)
            .await
            .map_err(|source| OpenError::Log { address: connector.address(), source })?;
        let tails = Arc::new(Tails::new(at, positions.iter().copied()));
        let fixed = PostgresOptions::connections_fixed(lanes);
        let pooled = options.connections_max.saturating_sub(fixed).max(1);
        let pool = Arc::new(Pool::new(connector.clone(), &options, pooled));
        let replicas = Arc::new(Replicas::new(replicas, &options, &positions, pooled)?);
        let leases = LeaseConnection::new(connector.clone());
        let mut background = vec![tokio::spawn(tail::observe(connector.clone(), tails.clone()))];
        background.extend(replicas.watch(&tails, incarnation));
        let (queue, writer) = if options.read_only {
            (None, None)
        } else {
            let (queue, inbox) = queue(lanes);
            let (tell, told) = oneshot::channel();
            let shared = Arc::new(Shared { connector, tails: tails.clone(), lanes });
            let writer = Writer::new(shared, queue.clone(), inbox);
            background.push(tokio::spawn(keys::forget(pool.clone())));
            (Some(queue), Some((tell, tokio::spawn(writer.run(told)))))
        };
        connection.close().await.ok();
        let closing = Closing { writer, background: Background(background) };
        Ok(Arc::new(Self {
            log: options.log,
            incarnation,
            secret,
            lanes,
            pool,
            replicas,
            tails,
            names: Names::default(),
            queue,
            leases,
            closing: Mutex::new(Some(closing)),
        }))
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.queue.is_none()
    }

    /// The connections for reading, now and since the store was opened.
    pub fn pool_statistics(&self) -> PoolStatistics {
        self.pool.statistics()
    }

    /// The standbys, as this instance sees them.
    pub fn replica_statistics(&self) -> Vec<ReplicaStatistics> {
        self.replicas.statistics()
    }

    /// Refuses new writes, finishes those that wait, and gives up the connections. Without it,
    /// dropping the store does the same in the background.
    pub async fn close(&self) {
        let Some(Closing { writer, background }) = self.closing.lock().take() else { return };
        drop(background);
        if let Some((tell, writer)) = writer {
            let _ = tell.send(());
            if let Err(error) = writer.await {
                tracing::error!(%error, "the writer ended badly");
            }
        }
        self.pool.close().await;
        self.replicas.close().await;
    }

    pub(crate) fn writable(&self) -> Result<(), LogError> {
        if self.is_read_only() { Err(LogError::ReadOnly) } else { Ok(()) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

fn lanes_of(options: &PostgresOptions) -> u16 {
    options.lanes.clamp(1, SLICES)
}

async fn first_connection(connector: &Connector) -> Result<PgConnection, OpenError> {
    connector
        .connect_anyway()
        .await
        .map_err(|source| OpenError::Log { address: connector.address(), source })
}
