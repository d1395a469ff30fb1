//! Tables beside the log, and how far they are behind it.
//!
//! A projection reads a lane, folds, and writes rows together with its cursor in one transaction, so
//! that a crash repeats nothing and skips nothing. A store may have several projections, each with tables
//! of its own. A table that several services may have stands in a file by itself here (`documents`); the
//! tables of one service in the file of its name (`state`).

mod combat;
mod documents;
mod state;

use async_trait::async_trait;

use crate::{EntityRow, Lane, LogError, Position};

pub use combat::{
    CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow, CombatTables,
};
pub use documents::{AggregateRow, DocumentTables, ListPage};
pub use state::{MatchRow, PlayerRow, StateRows, StateTables};

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
    /// Where the projection started: another position in the store refuses the batch with
    /// [`LogError::Fenced`], so two projectors cannot interleave.
    pub from: Position,
    pub to: Cursor,
    pub rows: Vec<TableRows>,
}

/// Rows of one set of tables. Within one batch the last row of a key wins.
#[derive(Debug, Clone, PartialEq)]
pub enum TableRows {
    Documents(Vec<AggregateRow>),
    State(StateRows),
    Combat(CombatRows),
    /// Each is written if it is newer than what is there.
    Entities(Vec<EntityRow>),
}

/// Tables that are written and emptied together. A log has those of its service only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableSet {
    Documents,
    State,
    Combat,
}

impl Projected {
    /// What its rows hold, as the bound of a queue counts it.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(TableRows::bytes).sum()
    }
}

impl TableRows {
    fn bytes(&self) -> usize {
        match self {
            Self::Documents(rows) => rows.iter().map(AggregateRow::bytes).sum(),
            Self::State(rows) => rows.bytes(),
            Self::Combat(rows) => rows.bytes(),
            Self::Entities(rows) => rows.iter().map(EntityRow::bytes).sum(),
        }
    }
}

/// How far projections are. Whatever follows the log without tables in the store needs only this: the
/// relay to the bus, for example.
#[async_trait]
pub trait Cursors: Send + Sync + 'static {
    /// The cursor of a projection in a lane; position 0 if it has never run.
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError>;

    /// Moves a cursor on; another position than `from` in the store refuses it with
    /// [`LogError::Fenced`].
    async fn advance(&self, from: Position, to: Cursor) -> Result<(), LogError>;

    /// Forgets how far a projection is, in all lanes.
    async fn reset(&self, projection: &str) -> Result<(), LogError>;
}

/// Writing tables. The writes of one projection take effect in the order of its calls.
#[async_trait]
pub trait TableWriter: Send + Sync + 'static {
    /// Writes rows and cursor, all or nothing.
    async fn write(&self, projected: Projected) -> Result<(), LogError>;

    /// Empties a projection's tables and forgets how far it is, in all lanes, to rebuild it. The tables
    /// carry no owner: no two projections of a store write the same.
    async fn clear(&self, projection: &str, tables: &[TableSet]) -> Result<(), LogError>;
}
