//! What the RPCs stand on: collections, pages, and the writes of memories.

mod access;
mod budget;
mod collections;
mod embed;
mod erase;
mod merge;
mod page;
mod pages;
mod recall;
mod reflections;
mod store;
mod update;

use std::sync::Arc;

use gamemesh_domain::memory::{MemoryId, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::Tokens;
use gamemesh_repository::MemoryTables;
use gamemesh_rpc::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use self::access::Accesses;
use self::collections::Collections;
pub(crate) use self::page::Entry;
use self::pages::Pages;
pub(crate) use self::recall::Question;
pub(crate) use self::reflections::Due;
pub(crate) use self::store::Store;
pub(crate) use self::update::Change;
use crate::config::{MemoryConfig, Stores};
use crate::convert::collection::Known;
use crate::metrics::MemoryMetrics;

/// News of stores that wait for a slow watcher; beyond them he looks at what he missed by himself.
const STORES_TOLD_MAX: usize = 4_096;

pub(crate) struct Engine {
    pub(crate) tables: Arc<dyn MemoryTables>,
    collections: Collections,
    pages: Pages,
    accesses: Accesses,
    pub(crate) clock: Clock,
    pub(crate) config: MemoryConfig,
    pub(crate) tokens: Tokens,
    pub(crate) metrics: MemoryMetrics,
    /// Something waits for a vector.
    unembedded: Notify,
    /// What went wrong last with making vectors.
    embedding_error: Mutex<String>,
    /// Collection and owner of what was stored.
    stored: broadcast::Sender<(Name, Name)>,
}

impl Engine {
    pub(crate) async fn open(
        stores: Stores,
        config: MemoryConfig,
        clock: Clock,
        metrics: MemoryMetrics,
    ) -> Result<Arc<Self>> {
        let Stores { log, tables, .. } = stores;
        let tokens = Tokens::new(
            "memory",
            config.token_secret.expose().as_bytes(),
            log.incarnation(),
            config.token_age_us_max(),
        );
        let engine = Self {
            collections: Collections::default(),
            pages: Pages::new(config.pages_bytes_max),
            accesses: Accesses::default(),
            tables,
            clock,
            config,
            tokens,
            metrics,
            unembedded: Notify::new(),
            embedding_error: Mutex::default(),
            stored: broadcast::channel(STORES_TOLD_MAX).0,
        };
        engine.collections.load(&*engine.tables).await?;
        Ok(Arc::new(engine))
    }

    pub(crate) async fn collection(&self, id: &str) -> Result<Arc<Known>> {
        let name = Name::parse("collectionId", id)?;
        self.collections.get(&*self.tables, &name).await
    }
}

pub(crate) fn no_memory(id: MemoryId) -> Error {
    Error::new(Code::NotFound, format!("memory {id} does not exist"))
}
