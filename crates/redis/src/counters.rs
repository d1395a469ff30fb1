//! Counters of a cache.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gamemesh_cache::L2Statistics;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) damaged: Counter,
    pub(crate) puts: Counter,
    pub(crate) puts_refused: Counter,
    pub(crate) puts_too_large: Counter,
    pub(crate) failures: Counter,
    pub(crate) announced: Counter,
    pub(crate) received: Counter,
    pub(crate) interruptions: Counter,
    pub(crate) is_listening: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn statistics(&self) -> L2Statistics {
        L2Statistics {
            hits_total: self.hits.so_far(),
            misses_total: self.misses.so_far(),
            damaged_total: self.damaged.so_far(),
            puts_total: self.puts.so_far(),
            puts_refused_total: self.puts_refused.so_far(),
            puts_too_large_total: self.puts_too_large.so_far(),
            failures_total: self.failures.so_far(),
            announced_total: self.announced.so_far(),
            received_total: self.received.so_far(),
            interruptions_total: self.interruptions.so_far(),
            is_listening: self.is_listening.load(Ordering::Relaxed),
        }
    }
}
