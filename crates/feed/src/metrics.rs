//! How events came to the feed.

use gamemesh_rpc::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// How an event came to the feed; the label `how`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Its writer, in this process, offered it.
    Offered,
    /// Another instance pushed it.
    Remote,
    /// It was read from the log.
    Log,
}

/// Counters of one feed. Clones share the values.
#[derive(Debug, Clone)]
pub struct FeedMetrics {
    offered: Counter,
    remote: Counter,
    read: Counter,
    events: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for FeedMetrics {
    fn default() -> Self {
        let events: Family<[(&str, &str); 1], Counter> = Family::default();
        let counter = |how| events.get_or_create_owned(&[("how", how)]);
        let [offered, remote, read] = ["offered", "told", "read"].map(counter);
        Self { offered, remote, read, events }
    }
}

impl FeedMetrics {
    /// Registers the counters. The prefix distinguishes the services of one process.
    pub fn register(metrics: &Metrics, prefix: &str) -> Self {
        let families = Self::default();
        metrics.register(|registry| {
            registry.register(
                format!("{prefix}_feed_events"),
                "Committed events by how they came to the feed: offered by their own writer, told by \
                 another instance, or read from the log",
                families.events.clone(),
            );
        });
        families
    }

    pub(crate) fn count(&self, source: Source, events: usize) {
        let counter = match source {
            Source::Offered => &self.offered,
            Source::Remote => &self.remote,
            Source::Log => &self.read,
        };
        counter.inc_by(events as u64);
    }
}
