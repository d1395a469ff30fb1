//! Metrics of the state service. Their names are fixed: dashboards stand on them.

use std::sync::atomic::AtomicU64;

use gamemesh_cache::{L1, Tier};
use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{Lane, StreamName};
use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The service's own families. Clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct StateMetrics {
    pub(crate) read_seconds: Histogram,
    pub(crate) write_seconds: Histogram,
    pub(crate) cache_hits: Counter,
    pub(crate) cache_misses: Counter,
    pub(crate) cache_bytes: Gauge,
    pub(crate) watchers: Gauge,
    pub(crate) snapshots_audited: Counter,
    pub(crate) snapshots_wrong: Counter,
    pub(crate) projection_failures: Counter,
    pub(crate) shared: SharedMetrics,
    pub(crate) answers_sampled: Counter,
    pub(crate) answers_stale: Counter,
    answers: Family<Labels, Counter>,
    fed: Family<Labels, Counter>,
    outbox_lag: Family<[(&'static str, String); 1], Gauge>,
    outbox_published: Counter,
    outbox_failures: Counter,
    outbox_fenced: Counter,
}

type Labels = [(&'static str, &'static str); 1];

/// What this instance and the shared cache do for each other. Clones share the values.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedMetrics {
    lookups: Family<Labels, Counter>,
    puts: Family<Labels, Counter>,
}

impl SharedMetrics {
    pub(crate) fn lookup(&self, outcome: &'static str) {
        self.lookups.get_or_create_owned(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn put(&self, outcome: &'static str) {
        self.puts.get_or_create_owned(&[("outcome", outcome)]).inc();
    }
}

/// Of an instance that owns lanes.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneMetrics {
    pub(crate) owned: Gauge,
    pub(crate) takeovers: Counter,
    pub(crate) lease_age_seconds: Gauge<f64, AtomicU64>,
    passed_on: Family<[(&'static str, &'static str); 1], Counter>,
}

/// What the relay of one lane tells; all but the lag is of all lanes together.
#[derive(Debug, Clone)]
pub(crate) struct OutboxMetrics {
    /// Events of the log that the bus has not acknowledged.
    pub(crate) lag: Gauge,
    pub(crate) published: Counter,
    pub(crate) failures: Counter,
    pub(crate) fenced: Counter,
}

impl StateMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let families = Self {
            read_seconds: Histogram::new(LATENCY_BUCKETS_SECONDS),
            write_seconds: Histogram::new(LATENCY_BUCKETS_SECONDS),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            cache_bytes: Gauge::default(),
            watchers: Gauge::default(),
            snapshots_audited: Counter::default(),
            snapshots_wrong: Counter::default(),
            projection_failures: Counter::default(),
            shared: SharedMetrics::default(),
            answers_sampled: Counter::default(),
            answers_stale: Counter::default(),
            answers: Family::default(),
            fed: Family::default(),
            outbox_lag: Family::default(),
            outbox_published: Counter::default(),
            outbox_failures: Counter::default(),
            outbox_fenced: Counter::default(),
        };
        for how in ["offered", "told", "read"] {
            families.fed(how, 0);
        }
        let f = families.clone();
        // Counters get their `_total` from the text format.
        metrics.register(|registry| {
            registry.register(
                "gsm_state_read_duration_seconds",
                "Reads of aggregates, from request to answer",
                f.read_seconds,
            );
            registry.register(
                "gsm_state_write_duration_seconds",
                "Writes of aggregates, from request to durable",
                f.write_seconds,
            );
            registry.register("gsm_cache_hits", "Reads answered from the cache", f.cache_hits);
            registry.register("gsm_cache_misses", "Reads that went to the store", f.cache_misses);
            registry.register(
                "gamemesh_cache_answers",
                "Reads by where their answer came from",
                f.answers,
            );
            registry.register(
                "gamemesh_cache_sampled",
                "Answers that were compared with the log",
                f.answers_sampled,
            );
            registry.register(
                "gamemesh_cache_stale_beyond_bound",
                "Answers that were older than they promised; must stay 0",
                f.answers_stale,
            );
            registry.register(
                "gamemesh_cache_shared_lookups",
                "Questions to the shared cache by what came of them",
                f.shared.lookups,
            );
            registry.register(
                "gamemesh_cache_shared_puts",
                "Values for the shared cache by what became of them",
                f.shared.puts,
            );
            registry.register(
                "gamemesh_feed_events",
                "Committed events by how they came to the feed: offered by their own writer, told by \
                 another instance, or read from the log",
                f.fed,
            );
            registry.register("gsm_memory_pool_usage", "Bytes that the cache holds", f.cache_bytes);
            registry.register("gsm_watchers", "Watches that are open", f.watchers);
            registry.register(
                "gsm_snapshots_audited",
                "Snapshots compared with a fold from the first event",
                f.snapshots_audited,
            );
            registry.register(
                "gsm_snapshots_wrong",
                "Snapshots that were not what their events fold to; must stay 0",
                f.snapshots_wrong,
            );
            registry.register(
                "gsm_projection_failures",
                "Times that the projection had to be tried again",
                f.projection_failures,
            );
            registry.register(
                "gamemesh_outbox_lag_events",
                "Events of the log that the bus has not acknowledged",
                f.outbox_lag,
            );
            registry.register(
                "gamemesh_outbox_published",
                "Events that the bus has acknowledged",
                f.outbox_published,
            );
            registry.register(
                "gamemesh_outbox_failures",
                "Times that the relay had to begin anew",
                f.outbox_failures,
            );
            registry.register(
                "gamemesh_outbox_fenced",
                "Times that another instance was found relaying a lane",
                f.outbox_fenced,
            );
        });
        families
    }
}

impl StateMetrics {
    pub(crate) fn outbox(&self, lane: Lane) -> OutboxMetrics {
        OutboxMetrics {
            lag: self.outbox_lag.get_or_create_owned(&[("lane", lane.0.to_string())]),
            published: self.outbox_published.clone(),
            failures: self.outbox_failures.clone(),
            fenced: self.outbox_fenced.clone(),
        }
    }

    /// So many events came to the feed this way.
    pub(crate) fn fed(&self, how: &'static str, events: usize) {
        self.fed.get_or_create_owned(&[("how", how)]).inc_by(events as u64);
    }

    pub(crate) fn count_tier(&self, tier: Tier, cache: &L1<StreamName, Aggregate>) {
        let name = match tier {
            Tier::L1 => "l1",
            Tier::L2 => "l2",
            Tier::Store => "store",
        };
        self.answers.get_or_create_owned(&[("tier", name)]).inc();
        match tier {
            Tier::L1 | Tier::L2 => {
                self.cache_hits.inc();
            }
            Tier::Store => {
                self.cache_misses.inc();
                self.cache_bytes.set(cache.statistics().bytes as i64);
            }
        }
    }
}

impl LaneMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let families = Self::default();
        let f = families.clone();
        metrics.register(|registry| {
            registry.register("gamemesh_lanes_owned", "Lanes that this instance owns", f.owned);
            registry.register(
                "gamemesh_lanes_takeovers",
                "Times that this instance took a lane",
                f.takeovers,
            );
            registry.register(
                "gamemesh_lanes_lease_age_seconds",
                "Since the lease of this instance was renewed",
                f.lease_age_seconds,
            );
            registry.register(
                "gamemesh_lanes_calls_passed_on",
                "Calls that went to the owner of their lane, by what came of it",
                f.passed_on,
            );
        });
        families
    }

    /// Counts a call that went to another instance.
    pub(crate) fn passed_on(&self, outcome: &'static str) {
        self.passed_on.get_or_create_owned(&[("outcome", outcome)]).inc();
    }
}
