//! Whether a copy of the tables has what a reader must see. Asked on the connection that then reads: what
//! it has, it keeps.

use gamemesh_repository::{HistoryMark, TableMark, seeded_defect};
use sqlx::PgConnection;

/// Whether a projection's rows are there up to a mark.
pub(super) async fn has_written(
    connection: &mut PgConnection,
    mark: &TableMark,
) -> sqlx::Result<bool> {
    if mark.positions.is_empty() || seeded_defect("postgres.replica_behind") {
        return Ok(true);
    }
    let reached: Vec<(i16, i64)> =
        sqlx::query_as("SELECT lane, position FROM cursor WHERE projection = $1")
            .bind(mark.projection.as_str())
            .fetch_all(connection)
            .await?;
    let has = |lane: u16, position: u64| {
        position == 0
            || reached.iter().any(|(l, reached)| *l as u16 == lane && *reached as u64 >= position)
    };
    Ok(mark.positions.iter().all(|(lane, position)| has(lane.0, *position)))
}

/// Whether a transaction of the primary is there. One that the server has forgotten the outcome of was
/// long ago.
pub(super) async fn has_committed(
    connection: &mut PgConnection,
    mark: HistoryMark,
) -> sqlx::Result<bool> {
    if seeded_defect("postgres.replica_behind") {
        return Ok(true);
    }
    sqlx::query_scalar(
        "SELECT CASE WHEN $1::bigint::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) \
         THEN false \
         ELSE coalesce(pg_xact_status($1::bigint::text::xid8) = 'committed', true) END",
    )
    .bind(i64::try_from(mark.0).unwrap_or(i64::MAX))
    .fetch_one(connection)
    .await
}
