//! Metrics of the stats service. Their names are fixed: dashboards stand on them.

use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

type Labels = [(&'static str, &'static str); 1];

/// The service's own families. Clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct StatsMetrics {
    received: Family<Labels, Counter>,
    pub(crate) processed: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) late: Counter,
    pub(crate) refused: Counter,
    pub(crate) shed: Counter,
    pub(crate) refolds: Counter,
    pub(crate) matches_active: Gauge,
    pub(crate) cache_hit_ratio: Gauge<f64, std::sync::atomic::AtomicU64>,
    pub(crate) latency: Histogram,
    pub(crate) queue_events: Gauge,
    pub(crate) queue_bytes: Gauge,
    pub(crate) lag_blocks: Gauge,
    pub(crate) memory_bytes: Gauge,
    pub(crate) watchers: Gauge,
    shared_puts: Family<Labels, Counter>,
}

/// How events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Grpc,
    Rest,
    Bus,
}

impl StatsMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let families = Self {
            received: Family::default(),
            processed: Counter::default(),
            duplicates: Counter::default(),
            conflicts: Counter::default(),
            late: Counter::default(),
            refused: Counter::default(),
            shed: Counter::default(),
            refolds: Counter::default(),
            matches_active: Gauge::default(),
            cache_hit_ratio: Gauge::default(),
            latency: Histogram::new(LATENCY_BUCKETS_SECONDS),
            queue_events: Gauge::default(),
            queue_bytes: Gauge::default(),
            lag_blocks: Gauge::default(),
            memory_bytes: Gauge::default(),
            watchers: Gauge::default(),
            shared_puts: Family::default(),
        };
        for source in [Source::Grpc, Source::Rest, Source::Bus] {
            families.received(source, 0);
        }
        let f = families.clone();
        // Counters get their `_total` from the text format.
        metrics.register(|registry| {
            registry.register(
                "match_stats_events_received",
                "Events that came in, by how they came",
                f.received,
            );
            registry.register(
                "match_stats_events_processed",
                "Events that were counted",
                f.processed,
            );
            registry.register(
                "match_stats_events_duplicate",
                "Events that had been counted before",
                f.duplicates,
            );
            registry.register(
                "match_stats_events_conflict",
                "Events whose id had been counted with other content",
                f.conflicts,
            );
            registry.register(
                "match_stats_events_late",
                "Events that came after their match had gone on beyond their time",
                f.late,
            );
            registry.register(
                "match_stats_events_refused",
                "Events that cannot be counted",
                f.refused,
            );
            registry.register(
                "match_stats_events_shed",
                "Samplable events that were left out under overload",
                f.shed,
            );
            registry.register(
                "match_stats_refolds",
                "Matches folded again because of late events",
                f.refolds,
            );
            registry.register("match_stats_matches_active", "Matches that go on", f.matches_active);
            registry.register(
                "match_stats_cache_hit_ratio",
                "Share of reads that needed no work of a shard",
                f.cache_hit_ratio,
            );
            registry.register(
                "match_stats_processing_latency",
                "Seconds from the arrival of events to their count",
                f.latency,
            );
            registry.register(
                "match_stats_queue_events",
                "Events between their producers and the log",
                f.queue_events,
            );
            registry.register(
                "match_stats_queue_bytes",
                "Bytes of events between their producers and the log",
                f.queue_bytes,
            );
            registry.register(
                "match_stats_lag_blocks",
                "Blocks of the log that are not counted yet",
                f.lag_blocks,
            );
            registry.register(
                "match_stats_memory_bytes",
                "Estimate of the memory that matches take",
                f.memory_bytes,
            );
            registry.register(
                "match_stats_shared_puts",
                "Matches for the cache that instances share, by what became of them",
                f.shared_puts,
            );
            registry.register("match_stats_watchers", "Watches that are open", f.watchers);
        });
        families
    }

    pub(crate) fn received(&self, source: Source, events: usize) {
        let name = match source {
            Source::Grpc => "grpc",
            Source::Rest => "rest",
            Source::Bus => "bus",
        };
        self.received.get_or_create_owned(&[("source", name)]).inc_by(events as u64);
    }

    pub(crate) fn shared_put(&self, is_put: bool) {
        let outcome = if is_put { "put" } else { "failed" };
        self.shared_puts.get_or_create_owned(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn received_total(&self) -> u64 {
        ["grpc", "rest", "bus"]
            .iter()
            .map(|name| self.received.get_or_create_owned(&[("source", *name)]).get())
            .sum()
    }
}
