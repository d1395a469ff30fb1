//! What a service adds to its documents: its own tables, a summary of the log, an observer.

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{AggregateRow, Cursor, Lane, LogError, Position, StreamName};

use crate::Applied;

/// Rows that go to the tables together, with the cursor behind them.
pub struct Rows<'a> {
    /// Where the cursor is now; another position in the store refuses them.
    pub from: Position,
    pub to: Cursor,
    /// One row for each document that changed, and the row of the summary with the last of them.
    pub documents: Vec<AggregateRow>,
    /// The same documents, for the service's own tables.
    pub changed: &'a [(&'a StreamName, &'a Arc<Aggregate>)],
}

/// The tables of a service, which hold a row for each document and whatever it folds besides.
#[async_trait]
pub trait Tables: Send + Sync + 'static {
    /// Writes rows and cursor, all or nothing.
    async fn write(&self, rows: Rows<'_>) -> Result<(), LogError>;
}

/// A summary that a service folds along each lane. It travels with the cursor as a row of its own.
pub trait Summary: Send + Sync + 'static {
    /// Category and key of the row of one lane; the category is not open to users.
    fn row_key(&self, lane: Lane) -> (&'static str, String);

    /// Takes one lane's part from its row, and says up to which position it was folded.
    fn restore(&self, lane: Lane, row: &AggregateRow) -> Result<Position, LogError>;

    /// Folds the next event of a lane.
    fn apply(&self, lane: Lane, applied: &Applied);

    /// The row that keeps one lane's part as it is now.
    fn row(&self, lane: Lane) -> AggregateRow;
}

/// Observes what is read and written. It is called within every read and write, so it must be quick.
pub trait Observer: Send + Sync + 'static {
    fn read(&self, now_us: i64, took_us: u64) {
        let _ = (now_us, took_us);
    }

    /// Writes that were made together and took equally long.
    fn wrote(&self, start_us: i64, took_us: u64, writes: usize) {
        let _ = (start_us, took_us, writes);
    }

    /// Events of one commit.
    fn committed(&self, applied: &[Arc<Applied>]) {
        let _ = applied;
    }
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
