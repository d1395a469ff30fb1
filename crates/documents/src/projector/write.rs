//! Rows that are being written to the store.

use std::sync::Arc;

use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{AggregateRow, Cursor, Lane, LogError, Pending, Position, StreamName};
use tokio::time::Instant;

use super::lane::Changed;
use crate::{Documents, REDUCER, Rows, encoding};

/// Rows that are being written, with the cursor behind them.
pub(super) struct Writing {
    pub(super) to: Position,
    pub(super) began: Instant,
    pub(super) rows: Arc<Changed>,
    pub(super) outcome: Pending<Result<(), LogError>>,
}

impl Writing {
    /// Writes the rows in slices, since each keeps the log's writer from its next batch, and the cursor
    /// with the last. Who goes on from the cursor after a crash in between finds rows that are ahead of
    /// it, and brings them there again.
    pub(super) fn begin(
        documents: &Arc<Documents>,
        lane: Lane,
        (from, to): (Position, Position),
        rows: Arc<Changed>,
        mut summary: Option<AggregateRow>,
    ) -> Self {
        let documents = documents.clone();
        let slice_max = documents.config.projection_rows_max.max(1);
        let outcome = Box::pin({
            let rows = rows.clone();
            async move {
                let rows: Vec<_> = rows.iter().collect();
                let mut left = &*rows;
                loop {
                    let (slice, rest) = left.split_at(left.len().min(slice_max));
                    left = rest;
                    let position = if left.is_empty() { to } else { from };
                    let projection = documents.config.service.to_owned();
                    let to = Cursor { projection, lane, position };
                    let mut rows = rows_of(from, to, slice);
                    if left.is_empty() {
                        rows.documents.extend(summary.take());
                    }
                    documents.host.tables.write(rows).await?;
                    if left.is_empty() {
                        return Ok(());
                    }
                }
            }
        });
        Self { to, began: Instant::now(), rows, outcome }
    }
}

fn rows_of<'a>(
    from: Position,
    to: Cursor,
    changed: &'a [(&'a StreamName, &'a Arc<Aggregate>)],
) -> Rows<'a> {
    let mut documents = Vec::with_capacity(changed.len() + 1);
    documents.extend(changed.iter().map(|(stream, aggregate)| row(stream, aggregate)));
    Rows { from, to, documents, changed }
}

fn row(stream: &StreamName, aggregate: &Aggregate) -> AggregateRow {
    AggregateRow {
        aggregate_type: stream.category().to_owned(),
        id: stream.key().to_owned(),
        version: aggregate.version,
        deleted: !aggregate.exists(),
        created_us: aggregate.created_at_us,
        updated_us: aggregate.updated_at_us,
        reducer: REDUCER,
        state: encoding::encode_folded(aggregate),
    }
}
