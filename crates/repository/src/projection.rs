//! Projections: tables that are folded from the log, for listing and for SQL users.
//!
//! A projector reads a lane, folds, and writes rows together with its cursor in one transaction, so
//! that a crash repeats nothing and skips nothing.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Lane, LogError, Position, StreamName, Version};

/// How far a projection has read one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub projection: String,
    pub lane: Lane,
    pub position: Position,
}

/// Rows and the cursor that they bring the projection to.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// Where the projector started: another position in the store refuses the batch with
    /// [`LogError::Fenced`], so two projectors cannot interleave.
    pub from: Position,
    pub to: Cursor,
    pub aggregates: Vec<AggregateRow>,
    pub players: Vec<PlayerRow>,
    pub matches: Vec<MatchRow>,
}

impl Projected {
    pub fn has_rows(&self) -> bool {
        !(self.aggregates.is_empty() && self.players.is_empty() && self.matches.is_empty())
    }
}

/// The current state of an aggregate: what listing reads, and the newest snapshot at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateRow {
    pub aggregate_type: String,
    pub id: String,
    pub version: Version,
    /// A deleted aggregate keeps its row, so that its version is known; listing passes it over.
    pub deleted: bool,
    pub created_us: i64,
    pub updated_us: i64,
    /// The service's own encoding, of the reducer named.
    pub reducer: u64,
    pub state: Bytes,
}

/// A row of `player_states`. The four documents are JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerRow {
    pub player_id: String,
    /// The player was deleted: the row is removed.
    pub deleted: bool,
    pub status: String,
    pub level: i64,
    pub experience: i64,
    pub health: f64,
    pub position: [f64; 3],
    pub inventory: String,
    pub statistics: String,
    pub achievements: String,
    pub last_updated_us: i64,
    pub version: Version,
}

/// A row of `match_states`. The three documents are JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRow {
    pub match_id: String,
    /// The match was deleted: the row is removed.
    pub deleted: bool,
    pub phase: String,
    pub players: String,
    pub events: String,
    pub statistics: String,
    pub started_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub last_updated_us: i64,
    pub version: Version,
}

/// A page of a list, in ascending order of the id (by bytes).
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    pub rows: Vec<AggregateRow>,
    /// Whether rows follow the last of these.
    pub more: bool,
}

/// Tables beside the log. The writes of one projector take effect in the order of its calls.
#[async_trait]
pub trait Projections: Send + Sync + 'static {
    /// The cursor of a projection in a lane; position 0 if it has never run.
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError>;

    /// Writes rows and cursor, all or nothing.
    async fn project(&self, projected: Projected) -> Result<(), LogError>;

    /// The row of one aggregate.
    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError>;

    /// The rows of the aggregates that several streams are of: for each, in this order, what
    /// [`Self::aggregate`] would answer for its category and key. A stream may be asked for more than
    /// once. An adapter may do it for less than so many calls cost.
    async fn aggregates(
        &self,
        streams: &[StreamName],
    ) -> Vec<Result<Option<AggregateRow>, LogError>> {
        let mut answers = Vec::with_capacity(streams.len());
        for stream in streams {
            answers.push(self.aggregate(stream.category(), stream.key()).await);
        }
        answers
    }

    /// Rows of a type after an id, deleted ones passed over.
    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, LogError>;

    /// The row of `player_states`, as an SQL user sees it.
    async fn player(&self, player_id: &str) -> Result<Option<PlayerRow>, LogError>;

    /// The row of `match_states`, as an SQL user sees it.
    async fn match_state(&self, match_id: &str) -> Result<Option<MatchRow>, LogError>;

    /// Forgets everything of a projection in all lanes, to rebuild it: its cursors, and all rows if
    /// it ever wrote any. The tables carry no owner, so one projection of a store writes rows and
    /// the others keep only cursors.
    async fn reset(&self, projection: &str) -> Result<(), LogError>;
}
