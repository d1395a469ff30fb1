//! Writing projections: rows and cursor together, behind the cursor's fence.

use std::collections::BTreeMap;

use gamemesh_repository::{
    AggregateRow, LogError, MatchRow, PlayerRow, Projected, fault_point, seeded_defect,
};
use sqlx::postgres::PgBindIterExt;
use sqlx::{Connection, PgConnection};

use crate::document::storable;
use crate::error::{Failure, failure, log_error};
use crate::types::Timestamp;

pub(super) async fn write(
    connection: &mut PgConnection,
    projected: &Projected,
) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    if !move_cursor(&mut transaction, projected).await.map_err(log_error)? {
        transaction.rollback().await.map_err(log_error)?;
        return Err(LogError::Fenced);
    }
    if seeded_defect("postgres.cursor_first") {
        commit(transaction).await?;
        transaction = connection.begin().await.map_err(log_error)?;
    }
    aggregates(&mut transaction, &projected.aggregates).await.map_err(log_error)?;
    players(&mut transaction, &projected.players).await.map_err(log_error)?;
    matches(&mut transaction, &projected.matches).await.map_err(log_error)?;
    fault_point("postgres.mid_projection");
    commit(transaction).await
}

pub(super) async fn reset(connection: &mut PgConnection, projection: &str) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    let wrote_rows: Vec<bool> =
        sqlx::query_scalar("DELETE FROM cursor WHERE projection = $1 RETURNING writes_rows")
            .bind(projection)
            .fetch_all(&mut *transaction)
            .await
            .map_err(log_error)?;
    if wrote_rows.contains(&true) {
        for sql in [
            "DELETE FROM aggregate_states",
            "DELETE FROM player_states",
            "DELETE FROM match_states",
        ] {
            sqlx::query(sql).execute(&mut *transaction).await.map_err(log_error)?;
        }
    }
    commit(transaction).await
}

/// The cursor tells whoever comes back what became of a commit without a reply.
async fn commit(transaction: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), LogError> {
    transaction.commit().await.map_err(|error| match failure(&error) {
        Failure::Lost => LogError::Unresolved(error.to_string()),
        _ => log_error(error),
    })
}

/// Whether the cursor stood where the projector began. Its row is locked from here on, so that
/// projectors of one lane take turns.
async fn move_cursor(connection: &mut PgConnection, projected: &Projected) -> sqlx::Result<bool> {
    let to = &projected.to;
    let moved = sqlx::query(
        "INSERT INTO cursor AS c (projection, lane, position, writes_rows) \
         SELECT $1, $2, $3, $4 WHERE $5 = 0 OR EXISTS \
           (SELECT 1 FROM cursor WHERE projection = $1 AND lane = $2) \
         ON CONFLICT (projection, lane) DO UPDATE SET position = excluded.position, \
         writes_rows = c.writes_rows OR excluded.writes_rows WHERE c.position = $5",
    )
    .bind(to.projection.as_str())
    .bind(to.lane.0 as i16)
    .bind(to.position as i64)
    .bind(projected.has_rows())
    .bind(projected.from as i64)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

async fn aggregates(connection: &mut PgConnection, rows: &[AggregateRow]) -> sqlx::Result<()> {
    let rows = last_rows(rows, |row| (row.aggregate_type.as_str(), row.id.as_str()));
    if rows.is_empty() {
        return Ok(());
    }
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO aggregate_states (version, created_us, updated_us, reducer, deleted, \
         aggregate_type, id, state) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (aggregate_type, id) DO UPDATE SET version = excluded.version, \
         deleted = excluded.deleted, created_us = excluded.created_us, \
         updated_us = excluded.updated_us, reducer = excluded.reducer, state = excluded.state",
    )
    .bind(rows().map(|row| row.version as i64).bind_iter())
    .bind(rows().map(|row| row.created_us).bind_iter())
    .bind(rows().map(|row| row.updated_us).bind_iter())
    .bind(rows().map(|row| row.reducer as i64).bind_iter())
    .bind(rows().map(|row| row.deleted).bind_iter())
    .bind(rows().map(|row| row.aggregate_type.as_str()).bind_iter())
    .bind(rows().map(|row| row.id.as_str()).bind_iter())
    .bind(rows().map(|row| &row.state[..]).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

async fn players(connection: &mut PgConnection, rows: &[PlayerRow]) -> sqlx::Result<()> {
    let (gone, rows): (Vec<_>, Vec<_>) =
        last_rows(rows, |row| row.player_id.as_str()).into_iter().partition(|row| row.deleted);
    if !gone.is_empty() {
        sqlx::query("DELETE FROM player_states WHERE player_id = ANY ($1)")
            .bind(gone.iter().map(|row| row.player_id.as_str()).bind_iter())
            .execute(&mut *connection)
            .await?;
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO player_states (player_id, status, level, experience, health, position_x, \
         position_y, position_z, inventory, statistics, achievements, last_updated, version) \
         SELECT id, status, level, experience, health, x, y, z, inventory::jsonb, \
           statistics::jsonb, achievements::jsonb, last_updated, version \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS rows (id, status, \
           level, experience, health, x, y, z, inventory, statistics, achievements, \
           last_updated, version) \
         ON CONFLICT (player_id) DO UPDATE SET status = excluded.status, level = excluded.level, \
         experience = excluded.experience, health = excluded.health, \
         position_x = excluded.position_x, position_y = excluded.position_y, \
         position_z = excluded.position_z, inventory = excluded.inventory, \
         statistics = excluded.statistics, achievements = excluded.achievements, \
         last_updated = excluded.last_updated, version = excluded.version",
    )
    .bind(rows().map(|row| row.player_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.status.as_str()).bind_iter())
    .bind(rows().map(|row| row.level).bind_iter())
    .bind(rows().map(|row| row.experience).bind_iter())
    .bind(rows().map(|row| row.health).bind_iter())
    .bind(rows().map(|row| row.position[0]).bind_iter())
    .bind(rows().map(|row| row.position[1]).bind_iter())
    .bind(rows().map(|row| row.position[2]).bind_iter())
    .bind(rows().map(|row| storable(&row.inventory)).bind_iter())
    .bind(rows().map(|row| storable(&row.statistics)).bind_iter())
    .bind(rows().map(|row| storable(&row.achievements)).bind_iter())
    .bind(rows().map(|row| Timestamp(row.last_updated_us)).bind_iter())
    .bind(rows().map(|row| row.version as i64).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

async fn matches(connection: &mut PgConnection, rows: &[MatchRow]) -> sqlx::Result<()> {
    let (gone, rows): (Vec<_>, Vec<_>) =
        last_rows(rows, |row| row.match_id.as_str()).into_iter().partition(|row| row.deleted);
    if !gone.is_empty() {
        sqlx::query("DELETE FROM match_states WHERE match_id = ANY ($1)")
            .bind(gone.iter().map(|row| row.match_id.as_str()).bind_iter())
            .execute(&mut *connection)
            .await?;
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO match_states (match_id, phase, players, events, statistics, started_at, \
         ended_at, last_updated, version) \
         SELECT id, phase, players::jsonb, events::jsonb, statistics::jsonb, started_at, \
           ended_at, last_updated, version \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS rows (id, phase, players, events, \
           statistics, started_at, ended_at, last_updated, version) \
         ON CONFLICT (match_id) DO UPDATE SET phase = excluded.phase, \
         players = excluded.players, events = excluded.events, statistics = excluded.statistics, \
         started_at = excluded.started_at, ended_at = excluded.ended_at, \
         last_updated = excluded.last_updated, version = excluded.version",
    )
    .bind(rows().map(|row| row.match_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.phase.as_str()).bind_iter())
    .bind(rows().map(|row| storable(&row.players)).bind_iter())
    .bind(rows().map(|row| storable(&row.events)).bind_iter())
    .bind(rows().map(|row| storable(&row.statistics)).bind_iter())
    .bind(rows().map(|row| row.started_us.map(Timestamp)).bind_iter())
    .bind(rows().map(|row| row.ended_us.map(Timestamp)).bind_iter())
    .bind(rows().map(|row| Timestamp(row.last_updated_us)).bind_iter())
    .bind(rows().map(|row| row.version as i64).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

/// The last row of each id, since it wins, in the order of the ids: whoever writes the same rows
/// takes them in the same order.
fn last_rows<'a, R, K: Ord>(rows: &'a [R], id: impl Fn(&'a R) -> K) -> Vec<&'a R> {
    let last: BTreeMap<K, &R> = rows.iter().map(|row| (id(row), row)).collect();
    last.into_values().collect()
}
