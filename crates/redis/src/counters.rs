//! What happened so far.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gamemesh_guard::PoolStatistics;

/// The state of a cache now, and counters since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisStatistics {
    /// In a cluster, whose nodes have one connection each, these are commands on their way.
    pub pool: PoolStatistics,
    pub hits_total: u64,
    pub misses_total: u64,
    /// Of the misses, those where something lay that nobody of this store had put there whole.
    pub damaged_total: u64,
    /// Puts that took effect.
    pub puts_total: u64,
    /// Puts of what was not newer.
    pub puts_refused_total: u64,
    /// Values that were too large to be put.
    pub puts_too_large_total: u64,
    /// Operations that ended without an answer of the server.
    pub failures_total: u64,
    pub announced_total: u64,
    pub heard_total: u64,
    /// Times that listeners were told that they may have missed something.
    pub interruptions_total: u64,
    /// Whether announcements of others arrive.
    pub is_listening: bool,
}

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
    pub(crate) heard: Counter,
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
    pub(crate) fn statistics(&self, pool: PoolStatistics) -> RedisStatistics {
        RedisStatistics {
            pool,
            hits_total: self.hits.so_far(),
            misses_total: self.misses.so_far(),
            damaged_total: self.damaged.so_far(),
            puts_total: self.puts.so_far(),
            puts_refused_total: self.puts_refused.so_far(),
            puts_too_large_total: self.puts_too_large.so_far(),
            failures_total: self.failures.so_far(),
            announced_total: self.announced.so_far(),
            heard_total: self.heard.so_far(),
            interruptions_total: self.interruptions.so_far(),
            is_listening: self.is_listening.load(Ordering::Relaxed),
        }
    }
}
