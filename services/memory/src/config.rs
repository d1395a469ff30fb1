//! What the service is given.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Copies, L2};
use gamemesh_repository::{
    Cursors, DocumentTables, EventLog, MemoryTables, Snapshots, TableWriter,
};
use gamemesh_rpc::config::Secret;

use crate::embedder::Embedder;

/// Where the service keeps things.
#[derive(Clone)]
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub cursors: Arc<dyn Cursors>,
    pub writer: Arc<dyn TableWriter>,
    pub documents: Arc<dyn DocumentTables>,
    pub tables: Arc<dyn MemoryTables>,
    /// The cache that instances share, for entities, worlds and plots.
    pub shared: Option<Arc<dyn L2>>,
    /// Where programs outside read entities.
    pub copies: Option<Arc<dyn Copies>>,
}

/// Settings of the memory service.
#[derive(Clone)]
pub struct MemoryConfig {
    /// Bound of the NPCs' pages in this process, in bytes.
    pub pages_bytes_max: usize,
    /// Signs tokens together with the store's identity. Instances of one store share it.
    pub token_secret: Secret,
    /// How old a page token may be.
    pub token_age_max: Duration,
    /// Makes vectors of texts; without one, vectors come from callers.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// How long the shared cache is waited for.
    pub shared_reply_max: Duration,
    /// How often what came to mind is written down.
    pub access_interval: Duration,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            pages_bytes_max: 1 << 30,
            token_secret: Secret::default(),
            token_age_max: Duration::from_secs(7 * 24 * 3_600),
            embedder: None,
            shared_reply_max: Duration::from_millis(50),
            access_interval: Duration::from_secs(2),
        }
    }
}

impl MemoryConfig {
    pub(crate) fn token_age_us_max(&self) -> i64 {
        i64::try_from(self.token_age_max.as_micros()).unwrap_or(i64::MAX)
    }
}
