//! What a lane holds, as far as a writer must know it.

use gamemesh_repository::{Chain, Heads, LogError, Position};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::plan::{LanePlan, Planned};
use crate::error::log_error;

/// Heads of one generation of a lane; two generations are kept.
const HEADS_GENERATION_MAX: usize = 1 << 15;

/// The end of a lane as it was last seen. All of it is true as long as the lane has not moved on,
/// which only the database knows: whatever is written by it is compared there.
pub(super) struct Ledger {
    pub(super) lane: u16,
    pub(super) epoch: i64,
    pub(super) last_position: Position,
    pub(super) last_time_us: i64,
    /// Streams that this lane has had.
    pub(super) last_stream: i64,
    pub(super) chain: Chain,
    pub(super) heads: Heads,
}

impl Ledger {
    /// Reads the ends of some lanes, in ascending order. A lane that is kept stands still until the
    /// transaction ends.
    pub(super) async fn load(
        connection: &mut PgConnection,
        lanes: &[i16],
        keep: bool,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let sql = if keep {
            "SELECT lane, epoch, position, time_us, last_stream, chain FROM lane \
             WHERE lane = ANY ($1) ORDER BY lane FOR UPDATE"
        } else {
            "SELECT lane, epoch, position, time_us, last_stream, chain FROM lane \
             WHERE lane = ANY ($1) ORDER BY lane"
        };
        let rows = sqlx::query(sql).bind(lanes).fetch_all(connection).await?;
        rows.iter().map(Self::of_row).collect()
    }

    /// A batch has become durable.
    pub(super) fn advance(&mut self, plan: &LanePlan) {
        self.last_position = plan.last_position;
        self.last_time_us = plan.last_time_us;
        self.last_stream = plan.last_stream;
        self.chain = plan.chain;
    }

    fn of_row(row: &PgRow) -> sqlx::Result<Self> {
        let chain: &[u8] = row.try_get(5)?;
        Ok(Self {
            lane: row.try_get::<i16, _>(0)? as u16,
            epoch: row.try_get(1)?,
            last_position: row.try_get::<i64, _>(2)? as Position,
            last_time_us: row.try_get(3)?,
            last_stream: row.try_get(4)?,
            chain: Chain(chain.try_into().map_err(|_| sqlx::Error::Decode("chain".into()))?),
            heads: Heads::new(HEADS_GENERATION_MAX),
        })
    }
}

/// Whether the lanes still end where a batch without writes took them to end.
pub(super) async fn still_at(
    connection: &mut PgConnection,
    planned: &Planned,
) -> Result<bool, LogError> {
    let lanes: Vec<i16> = planned.lanes.iter().map(|lane| lane.lane as i16).collect();
    let positions: Vec<i64> = planned.lanes.iter().map(|lane| lane.durable as i64).collect();
    let moved: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM unnest($1, $2) AS known (lane, position) \
         JOIN lane l ON l.lane = known.lane WHERE l.position <> known.position)",
    )
    .bind(lanes)
    .bind(positions)
    .fetch_one(connection)
    .await
    .map_err(log_error)?;
    Ok(!moved)
}
