//! Metrics of the state service. Their names are fixed: dashboards stand on them.

use gamemesh_cache::{L1, Tier};
use gamemesh_domain::state::Aggregate;
use gamemesh_repository::StreamName;
use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
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
        };
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
        });
        families
    }
}

impl StateMetrics {
    pub(crate) fn count_tier(&self, tier: Tier, cache: &L1<StreamName, Aggregate>) {
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
