//! The engine: aggregates over the event log. It knows domain and ports, not the wire.

pub(crate) mod analytics;
pub(crate) mod chain;
pub(crate) mod feed;
mod heard;
pub(crate) mod history;
pub(crate) mod hub;
mod loads;
pub(crate) mod projector;
pub(crate) mod read;
pub(crate) mod relay;
mod sampler;
mod shared;
mod sight;
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
use gamemesh_repository::{EventLog, Lane, Position, Projections, Snapshots, StreamName};
use gamemesh_rpc::clock::Clock;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::analytics::Analytics;
use self::chain::Chains;
use self::feed::Feed;
use self::heard::Heard;
use self::history::History;
use self::hub::Hub;
use self::loads::Loads;
use self::projector::Projector;
pub(crate) use self::read::{Answered, Freshness};
use self::sampler::Sampler;
use self::shared::Shared;
pub(crate) use self::sight::Seen;
use self::snapshotter::SnapshotsDue;
use self::types::Types;
use crate::OwnedLanes;
use crate::config::StateConfig;
use crate::metrics::StateMetrics;
use crate::token::{Cut, Tokens};

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
    pub(crate) feed: Feed,
    pub(crate) hub: Hub,
    pub(crate) types: Types,
    pub(crate) projector: Projector,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) metrics: StateMetrics,
    pub(crate) analytics: Analytics,
    pub(crate) started_us: i64,
    chains: Chains,
    next_chain: AtomicU64,
    heard: Heard,
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
        let feed = Feed::new(&*log);
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
            tokens: Tokens::new(&config.token_secret, log.incarnation(), config.token_age_us_max()),
            hub: Hub::new(feed.lanes(), |lane| *log.tail(lane).borrow()),
            shared,
            projector,
            types,
            analytics: Analytics::default(),
            started_us: clock.now_micros(),
            chains: Chains::new(),
            next_chain: AtomicU64::new(1),
            heard: Heard::new(log.lanes()),
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
        tasks.spawn(feed::run(engine.clone(), stop.clone()));
        tasks.spawn(hub::run(engine.clone(), stop.clone()));
        tasks.spawn(projector::run(engine.clone(), stop.clone()));
        tasks.spawn(relay::run(engine.clone(), bus, stop.clone()));
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

    /// The end of each lane of the log, as this instance knows it: everything that it has acknowledged
    /// or shown lies before.
    pub(crate) fn committed(&self) -> Cut {
        Cut(self.feed.lanes().map(|lane| (lane, self.tail(lane))).collect())
    }

    pub(crate) fn tail(&self, lane: Lane) -> Position {
        (*self.log.tail(lane).borrow()).max(self.heard.position(lane))
    }

    /// Another instance has written up to here on behalf of a caller of this one, who is told so.
    pub(crate) fn heard(&self, cut: &Cut) {
        for &(lane, position) in &cut.0 {
            self.heard.raise(lane, position);
        }
    }
}
