//! Rows on their way to the store.

use std::sync::Arc;

use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{
    AggregateRow, Cursor, Lane, LogError, Pending, Position, Projected, StreamName,
};
use tokio::time::Instant;

use super::super::Engine;
use super::lane::Changed;
use super::{PROJECTION, rows};

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
        engine: &Arc<Engine>,
        lane: Lane,
        (from, to): (Position, Position),
        rows: Arc<Changed>,
        global: AggregateRow,
    ) -> Self {
        let projections = engine.projections.clone();
        let slice_max = engine.config.projection_rows_max.max(1);
        let outcome = Box::pin({
            let rows = rows.clone();
            async move {
                let rows: Vec<_> = rows.iter().collect();
                let mut left = &*rows;
                let mut global = Some(global);
                loop {
                    let (slice, rest) = left.split_at(left.len().min(slice_max));
                    left = rest;
                    let position = if left.is_empty() { to } else { from };
                    let mut projected = projected(lane, from, position, slice);
                    if left.is_empty() {
                        projected.aggregates.extend(global.take());
                    }
                    projections.project(projected).await?;
                    if left.is_empty() {
                        return Ok(());
                    }
                }
            }
        });
        Self { to, began: Instant::now(), rows, outcome }
    }
}

fn projected(
    lane: Lane,
    from: Position,
    position: Position,
    changed: &[(&StreamName, &Arc<Aggregate>)],
) -> Projected {
    let mut projected = Projected {
        from,
        to: Cursor { projection: PROJECTION.to_owned(), lane, position },
        aggregates: Vec::with_capacity(changed.len() + 1),
        players: Vec::new(),
        matches: Vec::new(),
    };
    for (stream, aggregate) in changed {
        projected.aggregates.push(rows::aggregate(stream, aggregate));
        match stream.category() {
            "player" => projected.players.push(rows::player(stream, aggregate)),
            "match" => projected.matches.push(rows::match_state(stream, aggregate)),
            _ => {}
        }
    }
    projected
}
