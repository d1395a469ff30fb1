//! The pool of connections: to one server, or to a cluster.
//!
//! deadpool keeps them. Its stock manager pings before each use, which would double the round trips of a cache
//! whose commands take one; here a connection is checked only after it was idle for a while. One that fails in
//! between is noticed by its command, and another takes its place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult};
use deadpool_redis::Manager;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, RedisError};

use crate::RedisOptions;
use crate::address::{Address, is_tls};
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::{Failure, OpenError};

/// A connection that was idle for this time is asked whether it is still there before it is used.
const CHECK_AFTER: Duration = Duration::from_secs(30);

/// Connections that nobody needed for this time are closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How often idle ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Connections {
    kind: Kind,
    origin: Instant,
    /// Milliseconds after `origin`.
    swept_ms: AtomicU64,
}

enum Kind {
    Server(managed::Pool<ServerManager>),
    Cluster(managed::Pool<ClusterManager>),
}

/// Makes connections to one server.
pub(crate) struct ServerManager(Manager);

/// Hands out the connections to a cluster's nodes, of which there is one set for all.
pub(crate) struct ClusterManager(Cluster);

/// The connections to a cluster as they were when it was last looked at.
pub(crate) struct ClusterHandle {
    pub(crate) connection: ClusterConnection,
    topology: u64,
}

impl Connections {
    /// Needs the runtime, on which connections live.
    pub(crate) fn new(address: &Address, options: &RedisOptions) -> Result<Self, OpenError> {
        let wrong = || OpenError::Url { why: "it cannot be used".to_owned() };
        let kind = match address {
            Address::Server(server) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(options.timeout))
                    // The time of the whole operation is bounded where it begins.
                    .set_response_timeout(None);
                let manager = Manager::new_with_config((**server).clone(), config);
                Kind::Server(pool(ServerManager(manager.map_err(|_| wrong())?), options)?)
            }
            Address::Cluster(nodes) => {
                let over_tls = nodes.iter().any(is_tls);
                let certificates = over_tls.then(|| options.tls.certificates()).transpose()?;
                let cluster = Cluster::new(nodes, options.timeout, certificates);
                let cluster = cluster.map_err(|_| wrong())?;
                Kind::Cluster(pool(ClusterManager(cluster), options)?)
            }
        };
        Ok(Self { kind, origin: Instant::now(), swept_ms: AtomicU64::new(0) })
    }

    /// A connection. Whoever asks holds a permit, of which there are as many as connections.
    pub(crate) async fn get(&self) -> Result<Connection, Failure> {
        self.sweep();
        match &self.kind {
            Kind::Server(pool) => pool.get().await.map(Connection::server).map_err(failure),
            Kind::Cluster(pool) => pool.get().await.map(Connection::cluster).map_err(failure),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// Connections to a server that nobody uses now. A cluster's are shared.
    pub(crate) fn idle(&self) -> u32 {
        match &self.kind {
            Kind::Server(pool) => pool.status().available as u32,
            Kind::Cluster(_) => 0,
        }
    }

    /// Closes those that nobody uses now.
    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    /// A command got no answer: another node of a cluster may have its slots.
    pub(crate) fn refresh_topology(&self) {
        if let Kind::Cluster(pool) = &self.kind {
            pool.manager().0.refresh();
        }
    }

    fn sweep(&self) {
        let now_ms = self.origin.elapsed().as_millis() as u64;
        let swept_ms = self.swept_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= swept_ms + SWEEP_EVERY.as_millis() as u64;
        let exchange = |new| {
            self.swept_ms.compare_exchange(swept_ms, new, Ordering::Relaxed, Ordering::Relaxed)
        };
        if is_due && exchange(now_ms).is_ok() {
            self.retain(|metrics| metrics.last_used() < IDLE_MAX);
        }
    }

    fn retain(&self, keeps: impl Fn(&Metrics) -> bool) {
        match &self.kind {
            Kind::Server(pool) => drop(pool.retain(|_, metrics| keeps(&metrics))),
            Kind::Cluster(pool) => drop(pool.retain(|_, metrics| keeps(&metrics))),
        }
    }
}

/// The one used last is used next, so that those too many become old.
fn pool<M: managed::Manager>(
    manager: M,
    options: &RedisOptions,
) -> Result<managed::Pool<M>, OpenError> {
    let builder = managed::Pool::builder(manager).max_size(options.connections_max as usize);
    let built = builder.queue_mode(QueueMode::Lifo).build();
    built.map_err(|error| OpenError::Url { why: error.to_string() })
}

fn failure(error: PoolError<RedisError>) -> Failure {
    match error {
        // A connection that is only being made has not been lost.
        PoolError::Backend(error) => match Failure::from_redis(error) {
            Failure::Disconnected(why) => Failure::Unavailable(why),
            other => other,
        },
        other => Failure::Unavailable(other.to_string()),
    }
}

impl managed::Manager for ServerManager {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        self.0.create().await
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        metrics: &Metrics,
    ) -> RecycleResult<RedisError> {
        if metrics.last_used() < CHECK_AFTER {
            return Ok(());
        }
        self.0.recycle(connection, metrics).await
    }
}

impl managed::Manager for ClusterManager {
    type Type = ClusterHandle;
    type Error = RedisError;

    async fn create(&self) -> Result<ClusterHandle, RedisError> {
        let (connection, topology) = self.0.connection();
        Ok(ClusterHandle { connection, topology })
    }

    async fn recycle(&self, handle: &mut ClusterHandle, _: &Metrics) -> RecycleResult<RedisError> {
        if handle.topology == self.0.topology() {
            return Ok(());
        }
        Err(RecycleError::message("the nodes have been looked at anew"))
    }
}

/// What a [`Connection`] borrows from the pool.
pub(crate) enum Borrowed {
    Server(Object<ServerManager>),
    Cluster(Object<ClusterManager>),
}
