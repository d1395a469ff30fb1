//! Reading where the lane ends.

use gamemesh_repository::batch::LaneHead;
use gamemesh_repository::{Chain, Epoch, Heads, LogError, Position};
use sqlx::SqliteConnection;

use crate::error::log_error;
use crate::read::LANE;

/// Heads of one generation; two generations are kept.
const HEADS_GENERATION_MAX: usize = 1 << 17;

/// The durable end of the lane; refuses a store whose end does not fit together.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<LaneHead, LogError> {
    let (last_position, last_time_us, last_stream, owner_epoch): (i64, i64, i64, i64) =
        sqlx::query_as(
            "SELECT coalesce((SELECT max(position) FROM event), 0), \
             coalesce((SELECT time_us FROM event ORDER BY position DESC LIMIT 1), -1 << 63), \
             coalesce((SELECT max(id) FROM stream), 0), \
             (SELECT owner_epoch FROM lane WHERE lane = 0)",
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
        Some(chain) if batch_end == last_position => Ok(LaneHead {
            lane: LANE,
            last_position: last_position as Position,
            last_time_us,
            last_stream,
            chain,
            owner_epoch: owner_epoch as Epoch,
            heads: Heads::new(HEADS_GENERATION_MAX),
        }),
        _ => Err(LogError::Corrupted(format!(
            "the last event is at {last_position}, the last batch ends at {batch_end}"
        ))),
    }
}
