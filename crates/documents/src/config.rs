//! Settings of the documents of a service.

use std::time::Duration;

use gamemesh_rpc::config::Secret;

/// Settings of the documents of one service.
#[derive(Debug, Clone)]
pub struct DocumentsConfig {
    /// Name of the service, which its tokens, its keys in the shared cache and its projection carry.
    pub service: &'static str,
    /// Bound of the cache in this process, in bytes.
    pub cache_bytes_max: u64,
    /// Aggregates that the cache's tables are made for at first.
    pub cache_entries: usize,
    /// One in so many answers is compared with the log; none if 0.
    pub sample_interval: u64,
    /// Aggregates whose table rows are written at once.
    pub projection_rows_max: usize,
    /// Signs tokens together with the store's identity. Instances of one store share it.
    pub token_secret: Secret,
    /// How old a resume or page token may be.
    pub token_age_max: Duration,
    /// After so long without a match, a checkpoint tells a watcher that its watch has moved on.
    pub watch_checkpoint_interval: Duration,
    /// How long an answer of the cache that instances share is waited for. Its adapter bounds that
    /// itself; this is for one that does not.
    pub shared_reply_max: Duration,
}

impl DocumentsConfig {
    pub fn of(service: &'static str) -> Self {
        Self {
            service,
            cache_bytes_max: 256 << 20,
            cache_entries: 1_000,
            sample_interval: 1_000,
            projection_rows_max: 100,
            token_secret: Secret::default(),
            token_age_max: Duration::from_secs(7 * 24 * 3_600),
            watch_checkpoint_interval: Duration::from_secs(15),
            shared_reply_max: Duration::from_millis(50),
        }
    }
}
