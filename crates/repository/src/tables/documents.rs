//! The current state of each aggregate, for services that keep documents.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{LogError, StreamName, Version};

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

/// A page of a list, in ascending order of the id (by bytes).
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    pub rows: Vec<AggregateRow>,
    /// Whether rows follow the last of these.
    pub more: bool,
}

impl AggregateRow {
    pub(super) fn bytes(&self) -> usize {
        self.state.len()
    }
}

/// Reading the aggregates' rows.
#[async_trait]
pub trait DocumentTables: Send + Sync + 'static {
    /// The row of one aggregate.
    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError>;

    /// The rows of the aggregates that several streams are of: for each, in this order, what
    /// [`Self::aggregate`] would answer for its category and key. A stream may be asked for more than
    /// once. An adapter may do it for less than so many calls cost, and answer what was written a moment ago:
    /// whoever asks folds on.
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
}
