//! What can be set.

use std::time::Duration;

use gamemesh_domain::stats::{Rules, Season};

/// Settings of the stats service.
#[derive(Debug, Clone)]
pub struct StatsConfig {
    /// Shards that count; each match belongs to one.
    pub workers: usize,
    /// Bytes of events between their producers and the log, over all producers.
    pub ingest_bytes_max: usize,
    /// How seasons are cut.
    pub season: Season,
    /// What the definitions leave open.
    pub rules: Rules,
    /// A window of time is frozen so long after its end.
    pub window_grace: Duration,
    /// Boards over all matches follow the matches at least this often while there is time.
    pub board_interval: Duration,
}

impl Default for StatsConfig {
    fn default() -> Self {
        Self {
            workers: 4,
            ingest_bytes_max: 64 << 20,
            season: Season::default(),
            rules: Rules::default(),
            window_grace: Duration::from_secs(3_600),
            board_interval: Duration::from_millis(250),
        }
    }
}
