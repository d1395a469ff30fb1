//! Metrics of the documents of one service.

use gamemesh_cache::{L1, Tier};
use gamemesh_domain::document::Aggregate;
use gamemesh_feed::FeedMetrics;
use gamemesh_repository::StreamName;
use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Families of one service. Clones share the values.
#[derive(Debug, Clone)]
pub struct DocumentMetrics {
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
    pub(crate) feed: FeedMetrics,
    pub answers_sampled: Counter,
    pub answers_stale: Counter,
    answers: Family<Labels, Counter>,
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

impl DocumentMetrics {
    /// Registers the families. `name` makes the full name of each from its own, such as `cache_hits`, and
    /// so distinguishes the services of one process; `prefix` does it for the feed.
    pub fn register(metrics: &Metrics, prefix: &str, name: impl Fn(&str) -> String) -> Self {
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
            feed: FeedMetrics::register(metrics, prefix),
            answers_sampled: Counter::default(),
            answers_stale: Counter::default(),
            answers: Family::default(),
        };
        let f = families.clone();
        // Counters get their `_total` from the text format.
        metrics.register(|registry| {
            registry.register(
                name("read_duration_seconds"),
                "Reads of aggregates, from request to answer",
                f.read_seconds,
            );
            registry.register(
                name("write_duration_seconds"),
                "Writes of aggregates, from request to durable",
                f.write_seconds,
            );
            registry.register(name("cache_hits"), "Reads answered from the cache", f.cache_hits);
            registry.register(name("cache_misses"), "Reads that went to the store", f.cache_misses);
            registry.register(
                name("cache_answers"),
                "Reads by where their answer came from",
                f.answers,
            );
            registry.register(
                name("cache_sampled"),
                "Answers that were compared with the log",
                f.answers_sampled,
            );
            registry.register(
                name("cache_stale_beyond_bound"),
                "Answers that were older than they promised; must stay 0",
                f.answers_stale,
            );
            registry.register(
                name("cache_shared_lookups"),
                "Questions to the shared cache by what came of them",
                f.shared.lookups,
            );
            registry.register(
                name("cache_shared_puts"),
                "Values for the shared cache by what became of them",
                f.shared.puts,
            );
            registry.register(name("cache_bytes"), "Bytes that the cache holds", f.cache_bytes);
            registry.register(name("watchers"), "Watches that are open", f.watchers);
            registry.register(
                name("snapshots_audited"),
                "Snapshots compared with a fold from the first event",
                f.snapshots_audited,
            );
            registry.register(
                name("snapshots_wrong"),
                "Snapshots that were not what their events fold to; must stay 0",
                f.snapshots_wrong,
            );
            registry.register(
                name("projection_failures"),
                "Times that the projection had to be tried again",
                f.projection_failures,
            );
        });
        families
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
