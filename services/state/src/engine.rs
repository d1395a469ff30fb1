//! The engine: aggregates over the event log. It knows domain and ports, not the wire.

pub(crate) mod analytics;
pub(crate) mod chain;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod hub;
pub(crate) mod projector;
pub(crate) mod relay;
pub(crate) mod snapshotter;
pub(crate) mod stored;
pub(crate) mod types;
pub(crate) mod watch;
pub(crate) mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gamemesh_bus::Publisher;
use gamemesh_cache::{Entry, L1, Tier};
use gamemesh_domain::state::Aggregate;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EventLog, Lane, LogError, Position, Projections, Snapshots, StreamName};
use gamemesh_rpc::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::analytics::Analytics;
use self::chain::Chains;
use self::feed::Feed;
use self::history::History;
use self::hub::Hub;
use self::projector::Projector;
use self::snapshotter::SnapshotsDue;
use self::types::Types;
use crate::config::StateConfig;
use crate::metrics::StateMetrics;
use crate::token::{Cut, Tokens};

/// How long a read waits for this instance to see what its token names.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// Aggregates that are loaded from the store at once. The next waits here, within its call's
/// deadline: one call may name a thousand cold aggregates, and the store's own queue is shorter and
/// refuses.
const LOADS_MAX: usize = 64;

/// What the engine stands on.
#[derive(Clone)]
pub struct Stores {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn Snapshots>,
    pub projections: Arc<dyn Projections>,
    /// Where events go, in order, after they are durable.
    pub bus: Arc<dyn Publisher>,
}

/// How fresh a read must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Freshness {
    Strong,
    /// Not older than this, nor than what this instance has acknowledged.
    AtLeast(Cut),
    Bounded(Duration),
    Any,
}

pub(crate) struct Engine {
    pub(crate) config: StateConfig,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) projections: Arc<dyn Projections>,
    pub(crate) history: History,
    pub(crate) cache: L1<StreamName, Aggregate>,
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
    /// Time of the last write sent to the log.
    last_us: Mutex<i64>,
    snapshots_due: SnapshotsDue,
    /// Places for loads from the store.
    loads: Semaphore,
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
        let Stores { log, snapshots, projections, bus } = stores;
        let history = History::new(log.clone(), snapshots, projections.clone());
        let feed = Feed::new(&*log);
        let (snapshots_due, due) = snapshotter::queue();
        let projector = Projector::open(&*log, &*projections).await?;
        let projected = projector.folded_cut();
        let types = Types::open(&history, &*log, &*projections, &projected).await?;
        let engine = Arc::new(Self {
            cache: L1::new(config.cache_bytes_max, config.cache_entries),
            tokens: Tokens::new(&config.token_secret, log.incarnation(), config.token_age_us_max()),
            hub: Hub::new(feed.lanes(), |lane| *log.tail(lane).borrow()),
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
            loads: Semaphore::new(LOADS_MAX),
        });
        tasks.spawn(feed::run(engine.clone(), stop.clone()));
        tasks.spawn(hub::run(engine.clone(), stop.clone()));
        tasks.spawn(projector::run(engine.clone(), stop.clone()));
        tasks.spawn(relay::run(engine.clone(), bus, stop.clone()));
        tasks.spawn(snapshotter::run(engine.clone(), due, stop.clone()));
        Ok(engine)
    }

    /// The aggregate as this instance knows it: everything acknowledged here is in it.
    pub(crate) async fn newest(&self, stream: &StreamName) -> Result<Arc<Aggregate>> {
        Ok(self.load(stream).await?.0.value)
    }

    /// The aggregate, as fresh as asked for.
    pub(crate) async fn read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<(Arc<Aggregate>, Tier)> {
        match freshness {
            // Every write of the store passes through this process, and is in the cache before it is
            // acknowledged: what is here is the newest there is.
            Freshness::Strong | Freshness::Bounded(_) if self.log.is_sole_writer() => {}
            // Beside other instances the age of what is here is not known, so a bound is kept by
            // asking the store.
            Freshness::Strong | Freshness::Bounded(_) => {
                let head = self.log.head(stream).await?.map_or(0, |head| head.version);
                self.cache.raise_floor(stream, head);
            }
            Freshness::AtLeast(cut) => self.catch_up("token", cut).await?,
            Freshness::Any => {}
        }
        let (entry, tier) = self.load(stream).await?;
        Ok((entry.value, tier))
    }

    /// Counts a refused request.
    pub(crate) fn refused(&self, error: &Error) {
        self.analytics.refused(self.clock.now_micros(), error.code);
    }

    /// A read that counts in the metrics.
    pub(crate) async fn observed_read(
        &self,
        stream: &StreamName,
        freshness: &Freshness,
    ) -> Result<(Arc<Aggregate>, Tier)> {
        let start_us = self.clock.now_micros();
        let outcome = self.read(stream, freshness).await;
        let end_us = self.clock.now_micros();
        let took_us = end_us.saturating_sub(start_us).unsigned_abs();
        self.metrics.read_seconds.observe(took_us as f64 / 1e6);
        self.analytics.read(end_us, took_us);
        if let Ok((_, tier)) = &outcome {
            self.metrics.count_tier(*tier, &self.cache);
        }
        outcome
    }

    /// Waits until this instance has seen everything up to the cut of a token, which stands in
    /// `field` of the request.
    pub(crate) async fn catch_up(&self, field: &str, cut: &Cut) -> Result<()> {
        for &(lane, position) in &cut.0 {
            self.check_position(field, lane, position)?;
            let mut released = self.feed.released(lane);
            if *released.borrow() >= position {
                continue;
            }
            let reached = released.wait_for(|released| *released >= position);
            if tokio::time::timeout(CATCH_UP_MAX, reached).await.is_err() {
                return Err(Error::new(
                    Code::DependencyUnavailable,
                    "this instance has not yet seen what the token names; try again",
                )
                .with_retry_after(CATCH_UP_MAX));
            }
        }
        Ok(())
    }

    /// The end of each lane of the log, as this instance knows it: everything that it has acknowledged
    /// or shown lies before.
    pub(crate) fn committed(&self) -> Cut {
        Cut(self.feed.lanes().map(|lane| (lane, self.tail(lane))).collect())
    }

    pub(crate) fn tail(&self, lane: Lane) -> Position {
        *self.log.tail(lane).borrow()
    }

    /// Refuses a place that this store cannot have told.
    fn check_position(&self, field: &str, lane: Lane, position: Position) -> Result<()> {
        let refuse = |what: &str| {
            Err(Error::new(Code::TokenForeign, format!("{field}: {what}")).with_field(field, what))
        };
        if lane.0 >= self.log.lanes() {
            return refuse("the token names a lane that is not here; start again without it");
        }
        if self.log.is_sole_writer() && position > self.tail(lane) {
            return refuse(
                "the token names a position that this store has not reached: it was restored from \
                 an older copy; start again without it",
            );
        }
        Ok(())
    }

    async fn load(&self, stream: &StreamName) -> Result<(Entry<Aggregate>, Tier), LogError> {
        self.cache
            .get_or_load(stream, 0, async || {
                let _place = self.loads.acquire().await;
                Ok((write::entry(&self.history.newest(stream).await?), Tier::Store))
            })
            .await
    }
}
