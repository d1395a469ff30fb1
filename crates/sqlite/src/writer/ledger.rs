//! What is on the disk, as far as the writer must know it.

use gamemesh_repository::{Chain, Heads, LogError, Position};
use sqlx::SqliteConnection;

use super::plan::Plan;
use crate::error::log_error;

/// Heads of one generation; two generations are kept.
const HEADS_GENERATION_MAX: usize = 1 << 17;

/// The durable end of the lane.
pub(crate) struct Ledger {
    pub(crate) last_position: Position,
    pub(super) last_time_us: i64,
    /// The highest stream number.
    pub(super) last_stream: i64,
    pub(super) chain: Chain,
    pub(super) heads: Heads,
}

impl Ledger {
    /// Reads the end of the lane; refuses a store whose end does not fit together.
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Self, LogError> {
        let (last_position, last_time_us, last_stream): (i64, i64, i64) = sqlx::query_as(
            "SELECT coalesce((SELECT max(position) FROM event), 0), \
             coalesce((SELECT time_us FROM event ORDER BY position DESC LIMIT 1), -1 << 63), \
             coalesce((SELECT max(id) FROM stream), 0)",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(log_error)?;
        let batch: Option<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT first_position, events, chain FROM batch ORDER BY first_position DESC LIMIT 1",
        )
        .fetch_optional(connection)
        .await
        .map_err(log_error)?;
        let (batch_end, chain) = match batch {
            None => (0, Some(Chain::default())),
            Some((first, events, chain)) => {
                (first + events - 1, <[u8; 32]>::try_from(chain).ok().map(Chain))
            }
        };
        match chain {
            Some(chain) if batch_end == last_position => Ok(Self {
                last_position: last_position as Position,
                last_time_us,
                last_stream,
                chain,
                heads: Heads::new(HEADS_GENERATION_MAX),
            }),
            _ => Err(LogError::Corrupted(format!(
                "the last event is at {last_position}, the last batch ends at {batch_end}"
            ))),
        }
    }

    /// A plan has become durable.
    pub(super) fn advance(&mut self, plan: Plan) {
        self.last_position = plan.last_position;
        self.last_time_us = plan.last_time_us;
        self.last_stream = plan.last_stream;
        self.chain = plan.chain;
        for (stream, head) in plan.into_heads() {
            self.heads.put(stream, head);
        }
    }
}
