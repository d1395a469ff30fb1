//! The documents of one log: what they stand on, how they are opened, and their background work.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use gamemesh_cache::{L1, L2};
use gamemesh_domain::Result;
use gamemesh_domain::document::Aggregate;
use gamemesh_feed::{Feed, Hub, Tokens};
use gamemesh_repository::{Cursors, DocumentTables, EventLog, Snapshots, StreamName};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::service::Task;
use parking_lot::{Mutex, RwLock};

use crate::applied::Applied;
use crate::batch_loader::BatchLoader;
use crate::history::History;
use crate::pending_writes::PendingWrites;
use crate::ports::{Observer, Summary, Tables};
use crate::projector::Projector;
use crate::sampler::Sampler;
use crate::shared::Shared;
use crate::snapshotter::{self, SnapshotsDue};
use crate::types::{TypeSource, Types};
use crate::{DocumentMetrics, DocumentsConfig, shared};

/// What the documents of a service stand on.
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub cursors: Arc<dyn Cursors>,
    pub tables: Arc<dyn DocumentTables>,
    /// The cache that the instances of the store share, if there is one.
    pub shared: Option<Arc<dyn L2>>,
}

/// What a service adds to its documents.
pub struct Host {
    pub tables: Arc<dyn Tables>,
    pub summary: Option<Arc<dyn Summary>>,
    pub observer: Arc<dyn Observer>,
}

/// The documents of one service.
pub struct Documents {
    pub log: Arc<dyn EventLog>,
    pub cursors: Arc<dyn Cursors>,
    pub tables: Arc<dyn DocumentTables>,
    pub history: History,
    pub cache: L1<StreamName, Aggregate>,
    pub feed: Arc<Feed<Applied>>,
    pub hub: Arc<Hub<Applied>>,
    pub types: Types,
    pub projector: Projector,
    pub tokens: Tokens,
    pub clock: Clock,
    pub metrics: DocumentMetrics,
    pub(crate) config: DocumentsConfig,
    pub(crate) host: Host,
    /// What this instance has to do with the cache that instances share.
    pub(crate) shared: Option<Shared>,
    pub(crate) pending: PendingWrites,
    pub(crate) next_pending: AtomicU64,
    /// Held while the parts of a transaction are shown, one after the other; see [`Documents::shown`].
    pub(crate) showing: RwLock<()>,
    /// Time of the last write sent to the log.
    pub(crate) last_us: Mutex<i64>,
    pub(crate) snapshots_due: SnapshotsDue,
    pub(crate) sampler: Sampler,
    pub(crate) loader: BatchLoader,
}

impl Documents {
    /// Opens the documents of a log. Nothing is projected or fed before the tasks run, which the service
    /// hands to its supervisor.
    pub async fn open(
        stores: Stores,
        types: TypeSource,
        host: Host,
        config: DocumentsConfig,
        clock: Clock,
        metrics: DocumentMetrics,
    ) -> Result<(Arc<Self>, Vec<Task>)> {
        let Stores { log, snapshots, cursors, tables, shared } = stores;
        let history = History::new(log.clone(), snapshots, tables.clone());
        let loader = BatchLoader::new(history.clone());
        let feed = Arc::new(Feed::new(log.clone(), metrics.feed.clone()));
        let (shared, filled) = shared
            .map(|l2| Shared::new(l2, &config, log.incarnation(), &feed, metrics.shared.clone()))
            .unzip();
        let (snapshots_due, due) = snapshotter::queue();
        let (sampler, samples) = Sampler::new(config.sample_interval);
        let summary = host.summary.as_deref();
        let projector =
            Projector::open(&*log, &*cursors, &*tables, config.service, summary).await?;
        let projected = projector.folded_cut();
        let types = Types::open(types, &history, &*log, &*tables, &projected).await?;
        let age_us_max = i64::try_from(config.token_age_max.as_micros()).unwrap_or(i64::MAX);
        let tokens = Tokens::new(
            config.service,
            config.token_secret.expose().as_bytes(),
            log.incarnation(),
            age_us_max,
        );
        let documents = Arc::new(Self {
            cache: L1::new(config.cache_bytes_max, config.cache_entries),
            hub: Arc::new(Hub::new(&feed, metrics.watchers.clone())),
            tokens,
            shared,
            projector,
            types,
            pending: PendingWrites::new(),
            next_pending: AtomicU64::new(1),
            showing: RwLock::new(()),
            last_us: Mutex::new(0),
            config,
            host,
            log,
            cursors,
            tables,
            history,
            feed,
            clock,
            metrics,
            snapshots_due,
            sampler,
            loader,
        });
        let mut tasks = documents.tasks();
        let (keeper, auditor) = (documents.clone(), documents.clone());
        tasks.push(Task::new("snapshots", |stop| snapshotter::run(keeper, due, stop)));
        tasks.push(Task::new("cache sampler", |stop| crate::sampler::run(auditor, samples, stop)));
        if let Some(filled) = filled {
            let putting = documents.clone();
            tasks.push(Task::new("shared cache", |stop| shared::run(putting, filled, stop)));
        }
        Ok((documents, tasks))
    }

    fn tasks(self: &Arc<Self>) -> Vec<Task> {
        let (feeding, delivering, projecting) = (self.clone(), self.clone(), self.clone());
        vec![
            Task::new("feed", async move |stop| feeding.feed.run(&*feeding, stop).await),
            Task::new("hub", async move |stop| delivering.hub.run(&delivering.feed, stop).await),
            Task::new("projector", |stop| crate::projector::run(projecting, stop)),
        ]
    }
}
