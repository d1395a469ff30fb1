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
    /// A match that has ended leaves the memory when nothing came for so long; it comes back when it is
    /// asked for.
    pub evict_after: Duration,
    /// Topic of the bus that events come from.
    pub events_topic: String,
    /// Topic of the bus that combat's events come from.
    pub combat_topic: String,
    /// The group in which instances share the partitions of these topics.
    pub consumer_group: String,
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
            evict_after: Duration::from_secs(600),
            events_topic: "game.match.events".to_owned(),
            combat_topic: "game.combat.events".to_owned(),
            consumer_group: "match-stats".to_owned(),
        }
    }
}
