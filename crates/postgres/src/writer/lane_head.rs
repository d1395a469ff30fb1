//! What is known of a lane, and where that is read.

use gamemesh_repository::batch::{LaneHead, Planned};
use gamemesh_repository::{Chain, Epoch, Heads, Lane, LogError, Position};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::error::log_error;

/// Heads of one generation of a lane; two generations are kept.
const HEADS_GENERATION_MAX: usize = 1 << 15;

/// The end of a lane as it was last seen. All of it is true as long as the lane has not moved on,
/// which only the database knows: whatever is written by it is compared there.
pub(super) struct KnownLane {
    pub(super) head: LaneHead,
    /// What a statement of this instance must find: raised to shut out what is on its way.
    pub(super) epoch: i64,
}

/// Reads the ends of some lanes, in ascending order. A lane that is kept stands still until the
/// transaction ends.
pub(super) async fn load(
    connection: &mut PgConnection,
    lanes: &[i16],
    keep: bool,
) -> Result<Vec<KnownLane>, sqlx::Error> {
    let sql = if keep {
        "SELECT lane, epoch, position, time_us, last_stream, chain, owner_epoch FROM lane \
         WHERE lane = ANY ($1) ORDER BY lane FOR UPDATE"
    } else {
        "SELECT lane, epoch, position, time_us, last_stream, chain, owner_epoch FROM lane \
         WHERE lane = ANY ($1) ORDER BY lane"
    };
    let rows = sqlx::query(sql).bind(lanes).fetch_all(connection).await?;
    rows.iter().map(of_row).collect()
}

fn of_row(row: &PgRow) -> sqlx::Result<KnownLane> {
    let chain: &[u8] = row.try_get(5)?;
    let head = LaneHead {
        lane: Lane(row.try_get::<i16, _>(0)? as u16),
        last_position: row.try_get::<i64, _>(2)? as Position,
        last_time_us: row.try_get(3)?,
        last_stream: row.try_get(4)?,
        chain: Chain(chain.try_into().map_err(|_| sqlx::Error::Decode("chain".into()))?),
        owner_epoch: row.try_get::<i64, _>(6)? as Epoch,
        heads: Heads::new(HEADS_GENERATION_MAX),
    };
    Ok(KnownLane { head, epoch: row.try_get(1)? })
}

/// Whether the lanes are still where, and whose, a batch without writes took them to be.
pub(super) async fn still_at(
    connection: &mut PgConnection,
    planned: &Planned,
) -> Result<bool, LogError> {
    let lanes: Vec<i16> = planned.lanes.iter().map(|lane| lane.lane.0 as i16).collect();
    let positions: Vec<i64> = planned.lanes.iter().map(|lane| lane.durable as i64).collect();
    let owners: Vec<i64> = planned.lanes.iter().map(|lane| lane.owner_epoch as i64).collect();
    let moved: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM unnest($1, $2, $3) AS known (lane, position, owner_epoch) \
         JOIN lane l ON l.lane = known.lane \
         WHERE l.position <> known.position OR l.owner_epoch <> known.owner_epoch)",
    )
    .bind(lanes)
    .bind(positions)
    .bind(owners)
    .fetch_one(connection)
    .await
    .map_err(log_error)?;
    Ok(!moved)
}
