//! Metrics of the memory service.

use gamemesh_rpc::metrics::{LATENCY_BUCKETS_SECONDS, Metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The service's own families. Clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct MemoryMetrics {
    pub(crate) recall_seconds: Histogram,
    pub(crate) stored: Counter,
    pub(crate) evicted: Counter,
    pub(crate) page_hits: Counter,
    pub(crate) page_misses: Counter,
    pub(crate) pages_bytes: Gauge,
    pub(crate) embedded: Counter,
    pub(crate) embedding_failures: Counter,
}

impl MemoryMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let families = Self {
            recall_seconds: Histogram::new(LATENCY_BUCKETS_SECONDS),
            stored: Counter::default(),
            evicted: Counter::default(),
            page_hits: Counter::default(),
            page_misses: Counter::default(),
            pages_bytes: Gauge::default(),
            embedded: Counter::default(),
            embedding_failures: Counter::default(),
        };
        metrics.register(|registry| {
            let all = families.clone();
            registry.register("memory_recall_duration_seconds", "Recall", all.recall_seconds);
            registry.register("memory_stored", "Memories stored", all.stored);
            registry.register("memory_evicted", "Memories forgotten for want of room", all.evicted);
            registry.register("memory_page_hits", "Pages found in memory", all.page_hits);
            registry.register("memory_page_misses", "Pages read from the store", all.page_misses);
            registry.register("memory_pages_bytes", "Pages in memory", all.pages_bytes);
            registry.register("memory_embedded", "Vectors made", all.embedded);
            registry.register(
                "memory_embedding_failures",
                "Calls of the model that failed",
                all.embedding_failures,
            );
        });
        families
    }
}
