//! What operators want to know of a shared cache.

/// Counters since the cache was opened by this caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L2Statistics {
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
    /// Operations that ended without an answer.
    pub failures_total: u64,
    pub announced_total: u64,
    pub received_total: u64,
    /// Times that listeners were told that they may have missed something.
    pub interruptions_total: u64,
    /// Whether announcements of others arrive now.
    pub is_listening: bool,
}
