//! What the RPCs of the state service work on.

use std::sync::Arc;

use gamemesh_bus::Publisher;
use gamemesh_cache::L2;
use gamemesh_documents::{Documents, DocumentsConfig, Host, TypeSource};
use gamemesh_domain::state::builtin_schemas;
use gamemesh_domain::{Error, Result};
use gamemesh_outbox::Relay;
use gamemesh_repository::{Cursors, DocumentTables, EventLog, Snapshots, TableWriter};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Task;

use crate::analytics::Analytics;
use crate::config::StateConfig;
use crate::global::Global;
use crate::outbox::EventEncoder;
use crate::tables::StateTables;
use crate::{OwnedLanes, convert, metrics};

/// What the service stands on.
#[derive(Clone)]
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub cursors: Arc<dyn Cursors>,
    pub tables: Arc<dyn TableWriter>,
    pub documents: Arc<dyn DocumentTables>,
    /// Where events go, in order, after they are durable.
    pub bus: Arc<dyn Publisher>,
    /// Where instances share the lanes out.
    pub lanes: Option<OwnedLanes>,
    /// The cache that the instances of the store share, if there is one.
    pub shared: Option<Arc<dyn L2>>,
}

/// The documents, and what the service adds to them.
pub(crate) struct Engine {
    pub(crate) documents: Arc<Documents>,
    pub(crate) global: Arc<Global>,
    pub(crate) analytics: Arc<Analytics>,
    pub(crate) started_us: i64,
    /// Name of this region; empty in a single-region store.
    pub(crate) region: String,
}

impl Engine {
    /// Opens the documents. The tasks are their background work, and the relay to the bus.
    pub(crate) async fn open(
        stores: Stores,
        config: StateConfig,
        clock: Clock,
        registry: &Metrics,
    ) -> Result<(Arc<Self>, Vec<Task>)> {
        let Stores { log, snapshots, cursors, tables, documents, bus, shared, lanes: _ } = stores;
        let started_us = clock.now_micros();
        let encoder = EventEncoder::new(&config);
        let (global, analytics) = (Arc::<Global>::default(), Arc::<Analytics>::default());
        let host = Host {
            tables: Arc::new(StateTables(tables)),
            summary: Some(global.clone()),
            observer: analytics.clone(),
        };
        let types = TypeSource {
            builtin: builtin_schemas()?,
            decode: convert::schema::declaration_from_state,
        };
        let region = config.region.clone();
        let (settings, families) = (documents_config(config), metrics::documents(registry));
        let stores = gamemesh_documents::Stores {
            log: log.clone(),
            snapshots,
            cursors: cursors.clone(),
            tables: documents,
            shared,
        };
        let (documents, mut tasks) =
            Documents::open(stores, types, host, settings, clock, families).await?;
        let relay = Relay {
            log,
            feed: documents.feed.clone(),
            cursors,
            bus,
            encoder,
            metrics: metrics::outbox(registry),
        };
        tasks.push(Task::new("relay", |stop| relay.run(stop)));
        Ok((Arc::new(Self { documents, global, analytics, started_us, region }), tasks))
    }

    /// Counts a refused request.
    pub(crate) fn refused(&self, error: &Error) {
        self.analytics.refused(self.documents.clock.now_micros(), error.code);
    }
}

fn documents_config(config: StateConfig) -> DocumentsConfig {
    DocumentsConfig {
        service: "state",
        cache_bytes_max: config.cache_bytes_max,
        cache_entries: config.cache_entries,
        sample_interval: config.sample_interval,
        projection_rows_max: config.projection_rows_max,
        token_secret: config.token_secret,
        token_age_max: config.token_age_max,
        watch_checkpoint_interval: config.watch_checkpoint_interval,
        shared_reply_max: config.shared_reply_max,
    }
}
