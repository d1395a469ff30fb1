//! The tables of the stats service: what its matches came to, and from where it goes on after a restart.
//!
//! Everything follows from the log. Rows are absolute and carry the version of their match: an older row
//! never replaces a newer one, whoever writes it and however often.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Lane, LogError, Position};

/// How far the rows of a lane go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsProgress {
    /// Everything up to here is in the rows.
    pub position: Position,
    /// What the service keeps of the lane as a whole: windows of producers, offsets.
    pub state: Bytes,
}

/// A match. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchStatsRow {
    pub match_id: String,
    pub lane: Lane,
    /// The number of events that were counted.
    pub version: u64,
    /// `gathering`, `active`, `ended` or `voided`.
    pub status: String,
    pub map: String,
    pub mode: String,
    pub winner: String,
    pub started_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub last_event_us: i64,
    /// The service's own encoding of all that was counted.
    pub state: Bytes,
    /// The service's own encoding of what it adds to totals, boards and ratings.
    pub summary: Bytes,
    pub players: Vec<PlayerStatsRow>,
}

/// A player of a match, for SQL users. Damage is in thousandths, distance in millimetres.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerStatsRow {
    pub player_id: String,
    pub team: String,
    pub kills: i64,
    pub deaths: i64,
    pub assists: i64,
    pub headshot_kills: i64,
    pub damage_dealt_milli: i64,
    pub damage_taken_milli: i64,
    pub rounds_played: i64,
    pub kast_rounds: i64,
    pub distance_mm: i64,
    /// Every figure by its name: JSON text.
    pub figures: String,
}

/// What a match adds to totals, boards and ratings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchSummaryRow {
    pub match_id: String,
    pub version: u64,
    pub summary: Bytes,
}

/// A player in a window that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenRow {
    /// Name of the window, such as `2026-W01`.
    pub window: String,
    pub player_id: String,
    /// The service's own encoding of his figures as the window was closed.
    pub figures: Bytes,
}

/// Rows and how far they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsWrite {
    pub lane: Lane,
    /// Where the writer believes the rows to go to: if they do not, it is refused with
    /// [`LogError::Fenced`], so that what was decided on an older state writes nothing.
    pub from: Position,
    pub to: StatsProgress,
    pub matches: Vec<MatchStatsRow>,
}

/// Tables beside the log. Losing them loses time, never facts.
#[async_trait]
pub trait StatsTables: Send + Sync + 'static {
    /// How far the rows of a lane go; position 0 if there are none.
    async fn stats_progress(&self, lane: Lane) -> Result<StatsProgress, LogError>;

    /// Writes rows and progress, all or nothing. Rows that are not newer than those that are there
    /// change nothing.
    async fn write_stats(&self, write: StatsWrite) -> Result<(), LogError>;

    /// The state of a match.
    async fn match_state_bytes(&self, match_id: &str) -> Result<Option<Bytes>, LogError>;

    /// The match as an SQL user sees it, its players in the order of their ids.
    async fn match_stats(&self, match_id: &str) -> Result<Option<MatchStatsRow>, LogError>;

    /// Summaries after an id, in the order of the ids by bytes. Fewer than `limit` only at the end.
    async fn match_summaries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MatchSummaryRow>, LogError>;

    /// Keeps closed windows. One that is kept already stays as it is.
    async fn freeze(&self, window: &str, rows: Vec<FrozenRow>) -> Result<(), LogError>;

    /// The names of closed windows, in their order.
    async fn frozen_windows(&self) -> Result<Vec<String>, LogError>;

    /// A closed window, in the order of the players; `None` if none of this name is kept.
    async fn frozen_window(&self, window: &str) -> Result<Option<Vec<FrozenRow>>, LogError>;

    /// Forgets frozen windows of these names.
    async fn forget_frozen(&self, windows: Vec<String>) -> Result<(), LogError>;
}
