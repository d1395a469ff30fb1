//! The connections to all nodes of a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::{ConnectionInfo, RedisResult, TlsCertificates};

/// Retries of a command that a node did not execute, on the node that has its slot by then.
const RETRIES: u32 = 3;

/// How long such a retry waits, at least and at most.
const RETRY_MS: (u64, u64) = (5, 40);

/// How long a node may take to be connected, while the others serve.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How often the topology is refreshed, at most.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// How long a refresh may take.
const REFRESH_MAX: Duration = Duration::from_secs(5);

/// One connection to each node, for all commands. It finds nodes and reconnects by itself, except that it
/// takes a node that hangs for a slow one, whichever node has its slots by now.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    client: ClusterClient,
    connection: Mutex<ClusterConnection>,
    /// Counts refreshes.
    topology: AtomicU64,
    refreshed: Mutex<Option<Instant>>,
}

impl Cluster {
    /// Nothing is sent here, but it needs the runtime that the connections will live on.
    pub(crate) fn new(
        nodes: &[ConnectionInfo],
        timeout: Duration,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<Self> {
        let (wait_ms_min, wait_ms_max) = RETRY_MS;
        let mut client = ClusterClient::builder(nodes.iter().cloned());
        if let Some(certificates) = certificates {
            client = client.certs(certificates);
        }
        let client = client
            .retries(RETRIES)
            .min_retry_wait(wait_ms_min)
            .max_retry_wait(wait_ms_max)
            .connection_timeout(CONNECT_MAX)
            // A node that hangs must not delay the others for longer than this.
            .response_timeout(timeout)
            .build()?;
        let connection = client.get_pending_async_connection_with_config(ClusterConfig::new());
        let connection = Mutex::new(connection);
        let (topology, refreshed) = (AtomicU64::new(0), Mutex::new(None));
        Ok(Self(Arc::new(Inner { client, connection, topology, refreshed })))
    }

    /// The connection, and the topology that it knows.
    pub(crate) fn connection(&self) -> (ClusterConnection, u64) {
        let connection = self.0.connection.lock();
        (connection.clone(), self.topology())
    }

    pub(crate) fn topology(&self) -> u64 {
        self.0.topology.load(Ordering::Acquire)
    }

    /// A node did not answer: another may have its slots. A connection that is made now knows that; until it
    /// is there the old one serves.
    pub(crate) fn refresh(&self) {
        let now = Instant::now();
        let mut refreshed = self.0.refreshed.lock();
        if refreshed.is_some_and(|last| now.duration_since(last) < REFRESH_EVERY) {
            return;
        }
        *refreshed = Some(now);
        drop(refreshed);
        let cluster = self.0.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(REFRESH_MAX, cluster.client.get_async_connection()).await {
                Ok(Ok(connection)) => {
                    let mut current = cluster.connection.lock();
                    *current = connection;
                    cluster.topology.fetch_add(1, Ordering::AcqRel);
                }
                Ok(Err(error)) => tracing::debug!(%error, "refreshing the topology of the cluster"),
                Err(_) => {
                    tracing::debug!("refreshing the topology of the cluster: no answer in time");
                }
            }
        });
    }
}
