//! The engine: aggregates over the event log. It knows domain and ports, not the wire.

pub(crate) mod analytics;
pub(crate) mod applied;
pub(crate) mod chain;
pub(crate) mod history;
mod loads;
pub(crate) mod projector;
pub(crate) mod read;
mod sampler;
mod shared;
pub(crate) mod snapshotter;
pub(crate) mod stored;
pub(crate) mod types;
pub(crate) mod watch;
pub(crate) mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use gamemesh_bus::Publisher;
use gamemesh_cache::{L1, L2};
use gamemesh_domain::state::Aggregate;
use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Feed, Hub, Tokens};
use gamemesh_outbox::Relay;
use gamemesh_repository::{EventLog, Projections, Snapshots, StreamName};
use gamemesh_rpc::clock::Clock;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::analytics::Analytics;
use self::applied::Applied;
use self::chain::Chains;
use self::history::History;
use self::loads::Loads;
use self::projector::Projector;
pub(crate) use self::read::{Answered, Freshness};
use self::sampler::Sampler;
use self::shared::Shared;
use self::snapshotter::SnapshotsDue;
use self::types::Types;
use crate::OwnedLanes;
use crate::config::StateConfig;
use crate::metrics::StateMetrics;
use crate::outbox::EventEncoder;

/// What the engine stands on.
#[derive(Clone)]
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub projections: Arc<dyn Projections>,
    /// Where events go, in order, after they are durable.
    pub bus: Arc<dyn Publisher>,
    /// Where instances share the lanes out.
    pub lanes: Option<OwnedLanes>,
    /// The cache that the instances of the store share, if there is one.
    pub shared: Option<Arc<dyn L2>>,
}

pub(crate) struct Engine {
    pub(crate) config: StateConfig,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) projections: Arc<dyn Projections>,
    pub(crate) history: History,
    pub(crate) cache: L1<StreamName, Aggregate>,
    /// What this instance has to do with the cache that instances share.
    shared: Option<Shared>,
    pub(crate) feed: Arc<Feed<Applied>>,
    pub(crate) hub: Arc<Hub<Applied>>,
    pub(crate) types: Types,
    pub(crate) projector: Projector,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) metrics: StateMetrics,
    pub(crate) analytics: Analytics,
    pub(crate) started_us: i64,
    chains: Chains,
    next_chain: AtomicU64,
    /// Time of the last write sent to the log.
    last_us: Mutex<i64>,
    snapshots_due: SnapshotsDue,
    sampler: Sampler,
    loads: Loads,
}

impl Engine {
    /// Opens the engine and starts its tasks, which end when `stop` is cancelled.
    pub(crate) async fn open(
        stores: Stores,
        config: StateConfig,
        clock: Clock,
        metrics: StateMetrics,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>> {
        let Stores { log, snapshots, projections, bus, shared, lanes: _ } = stores;
        let history = History::new(log.clone(), snapshots, projections.clone());
        let loads = Loads::new(history.clone());
        let feed = Arc::new(Feed::new(log.clone(), metrics.feed.clone()));
        let (shared, filled) = shared
            .map(|l2| {
                let metrics = metrics.shared.clone();
                Shared::new(l2, &config, log.incarnation(), &feed, metrics)
            })
            .unzip();
        let (snapshots_due, due) = snapshotter::queue();
        let (sampler, samples) = Sampler::new(config.sample_interval);
        let projector = Projector::open(&*log, &*projections).await?;
        let projected = projector.folded_cut();
        let types = Types::open(&history, &*log, &*projections, &projected).await?;
        let engine = Arc::new(Self {
            cache: L1::new(config.cache_bytes_max, config.cache_entries),
            tokens: Tokens::new(
                "state",
                &config.token_secret,
                log.incarnation(),
                config.token_age_us_max(),
            ),
            hub: Arc::new(Hub::new(&feed)),
            shared,
            projector,
            types,
            analytics: Analytics::default(),
            started_us: clock.now_micros(),
            chains: Chains::new(),
            next_chain: AtomicU64::new(1),
            last_us: Mutex::new(0),
            config,
            log,
            projections,
            history,
            feed,
            clock,
            metrics,
            snapshots_due,
            sampler,
            loads,
        });
        let (feeding, stopping) = (engine.clone(), stop.clone());
        tasks.spawn(async move { feeding.feed.run(&*feeding, stopping).await });
        let (feed, hub, stopping) = (engine.feed.clone(), engine.hub.clone(), stop.clone());
        tasks.spawn(async move { hub.run(&feed, stopping).await });
        tasks.spawn(projector::run(engine.clone(), stop.clone()));
        let relay = Relay {
            log: engine.log.clone(),
            feed: engine.feed.clone(),
            cursors: engine.projections.clone(),
            bus,
            encoder: EventEncoder::new(&engine.config),
            metrics: engine.metrics.outbox.clone(),
        };
        tasks.spawn(relay.run(stop.clone()));
        tasks.spawn(snapshotter::run(engine.clone(), due, stop.clone()));
        tasks.spawn(sampler::run(engine.clone(), samples, stop.clone()));
        if let Some(filled) = filled {
            tasks.spawn(shared::put_all(engine.clone(), filled, stop.clone()));
            tasks.spawn(shared::backfill(engine.clone(), stop.clone()));
            tasks.spawn(shared::news(engine.clone(), stop.clone()));
        }
        Ok(engine)
    }

    /// Counts a refused request.
    pub(crate) fn refused(&self, error: &Error) {
        self.analytics.refused(self.clock.now_micros(), error.code);
    }
}
