//! The connections to all nodes of a cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::{ConnectionInfo, RedisResult};

/// A command that a node did not do is tried again so often, on the node that has its slot by then.
const RETRIES: u32 = 3;

/// How long such a try waits, at least and at most.
const RETRY_MS: (u64, u64) = (5, 40);

/// How long a node may take to be connected, while the others serve.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How often the nodes are asked anew who has which slots, at most.
const DOUBT_EVERY: Duration = Duration::from_secs(1);

/// How long they may take to tell.
const DOUBT_MAX: Duration = Duration::from_secs(5);

/// One connection to each node, for all commands. It finds nodes and comes back to them by itself,
/// except that it takes one that stands still for one that is slow, whoever has its slots by now.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    client: ClusterClient,
    connections: Mutex<ClusterConnection>,
    doubted: Mutex<Option<Instant>>,
}

impl Cluster {
    /// Nothing is asked here, but it needs the runtime that the connections will live on.
    pub(crate) fn new(nodes: &[ConnectionInfo], timeout: Duration) -> RedisResult<Self> {
        let (wait_ms_min, wait_ms_max) = RETRY_MS;
        let client = ClusterClient::builder(nodes.iter().cloned())
            .retries(RETRIES)
            .min_retry_wait(wait_ms_min)
            .max_retry_wait(wait_ms_max)
            .connection_timeout(CONNECT_MAX)
            // A node that stands still shall not hold up the others for longer than this.
            .response_timeout(timeout)
            .build()?;
        let connections = client.get_pending_async_connection_with_config(ClusterConfig::new());
        let connections = Mutex::new(connections);
        Ok(Self(Arc::new(Inner { client, connections, doubted: Mutex::new(None) })))
    }

    pub(crate) fn connections(&self) -> ClusterConnection {
        self.0.connections.lock().clone()
    }

    /// A node did not answer: another may have its slots. Connections that are made now know that;
    /// until they are there the old ones serve.
    pub(crate) fn doubt(&self) {
        let now = Instant::now();
        let mut doubted = self.0.doubted.lock();
        if doubted.is_some_and(|last| now.duration_since(last) < DOUBT_EVERY) {
            return;
        }
        *doubted = Some(now);
        let cluster = self.0.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(DOUBT_MAX, cluster.client.get_async_connection()).await {
                Ok(Ok(connections)) => *cluster.connections.lock() = connections,
                Ok(Err(error)) => tracing::debug!(%error, "looking at the cluster anew"),
                Err(_) => tracing::debug!("looking at the cluster anew: no answer in time"),
            }
        });
    }
}
