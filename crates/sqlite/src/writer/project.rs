//! Writing projections: rows and cursor together, behind the cursor's fence.

use std::collections::HashMap;
use std::sync::LazyLock;

use gamemesh_repository::{AggregateRow, LogError, MatchRow, PlayerRow, Projected, fault_point};
use sqlx::SqliteConnection;

use crate::error::log_error;
use crate::rows::{Binder, RowStatement};

static AGGREGATES: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO aggregate_states (aggregate_type, id, version, deleted, created_us, \
         updated_us, reducer, state)",
        8,
        "ON CONFLICT (aggregate_type, id) DO UPDATE SET version = excluded.version, \
         deleted = excluded.deleted, created_us = excluded.created_us, \
         updated_us = excluded.updated_us, reducer = excluded.reducer, state = excluded.state",
    )
});

static PLAYERS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO player_states (player_id, status, level, experience, health, position_x, \
         position_y, position_z, inventory, statistics, achievements, last_updated, version)",
        13,
        "ON CONFLICT (player_id) DO UPDATE SET status = excluded.status, level = excluded.level, \
         experience = excluded.experience, health = excluded.health, \
         position_x = excluded.position_x, position_y = excluded.position_y, \
         position_z = excluded.position_z, inventory = excluded.inventory, \
         statistics = excluded.statistics, achievements = excluded.achievements, \
         last_updated = excluded.last_updated, version = excluded.version",
    )
});

static MATCHES: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO match_states (match_id, phase, players, events, statistics, started_at, \
         ended_at, last_updated, version)",
        9,
        "ON CONFLICT (match_id) DO UPDATE SET phase = excluded.phase, \
         players = excluded.players, events = excluded.events, statistics = excluded.statistics, \
         started_at = excluded.started_at, ended_at = excluded.ended_at, \
         last_updated = excluded.last_updated, version = excluded.version",
    )
});

static GONE_PLAYERS: LazyLock<RowStatement> =
    LazyLock::new(|| RowStatement::new("DELETE FROM player_states WHERE player_id IN (", 1, ")"));

static GONE_MATCHES: LazyLock<RowStatement> =
    LazyLock::new(|| RowStatement::new("DELETE FROM match_states WHERE match_id IN (", 1, ")"));

pub(super) async fn write(
    connection: &mut SqliteConnection,
    projected: &Projected,
) -> Result<(), LogError> {
    let to = &projected.to;
    let at: Option<i64> =
        sqlx::query_scalar("SELECT position FROM cursor WHERE projection = ?1 AND lane = ?2")
            .bind(to.projection.as_str())
            .bind(i64::from(to.lane.0))
            .fetch_optional(&mut *connection)
            .await
            .map_err(log_error)?;
    if at.unwrap_or(0) != projected.from as i64 {
        return Err(LogError::Fenced);
    }
    rows(connection, projected).await.map_err(log_error)?;
    fault_point("sqlite.mid_projection");
    sqlx::query(
        "INSERT INTO cursor (projection, lane, position, writes_rows) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (projection, lane) DO UPDATE SET position = excluded.position, \
         writes_rows = max(writes_rows, excluded.writes_rows)",
    )
    .bind(to.projection.as_str())
    .bind(i64::from(to.lane.0))
    .bind(to.position as i64)
    .bind(projected.has_rows())
    .execute(connection)
    .await
    .map(drop)
    .map_err(log_error)
}

pub(super) async fn reset(
    connection: &mut SqliteConnection,
    projection: &str,
) -> Result<(), LogError> {
    let writes_rows: Option<i64> =
        sqlx::query_scalar("SELECT max(writes_rows) FROM cursor WHERE projection = ?1")
            .bind(projection)
            .fetch_one(&mut *connection)
            .await
            .map_err(log_error)?;
    if writes_rows == Some(1) {
        for sql in [
            "DELETE FROM aggregate_states",
            "DELETE FROM player_states",
            "DELETE FROM match_states",
        ] {
            sqlx::query(sql).execute(&mut *connection).await.map_err(log_error)?;
        }
    }
    sqlx::query("DELETE FROM cursor WHERE projection = ?1")
        .bind(projection)
        .execute(connection)
        .await
        .map(drop)
        .map_err(log_error)
}

async fn rows(connection: &mut SqliteConnection, projected: &Projected) -> sqlx::Result<()> {
    AGGREGATES.execute(connection, projected.aggregates.iter(), bind_aggregate).await?;
    let (gone, players) = last_rows(&projected.players, |row| (&row.player_id, row.deleted));
    GONE_PLAYERS
        .execute(connection, gone.into_iter(), |binder, row| {
            binder.bind(row.player_id.as_str());
        })
        .await?;
    PLAYERS.execute(connection, players.into_iter(), bind_player).await?;
    let (gone, matches) = last_rows(&projected.matches, |row| (&row.match_id, row.deleted));
    GONE_MATCHES
        .execute(connection, gone.into_iter(), |binder, row| {
            binder.bind(row.match_id.as_str());
        })
        .await?;
    MATCHES.execute(connection, matches.into_iter(), bind_match).await
}

/// The last row of each id, since it wins; those that are deleted, and the others.
fn last_rows<'a, R>(
    rows: &'a [R],
    id_and_deleted: impl Fn(&'a R) -> (&'a String, bool),
) -> (Vec<&'a R>, Vec<&'a R>) {
    let last: HashMap<_, _> = rows.iter().map(|row| (id_and_deleted(row).0, row)).collect();
    last.into_values().partition(|row| id_and_deleted(row).1)
}

fn bind_aggregate(binder: &mut Binder, row: &AggregateRow) {
    binder
        .bind(row.aggregate_type.as_str())
        .bind(row.id.as_str())
        .bind(row.version as i64)
        .bind(row.deleted)
        .bind(row.created_us)
        .bind(row.updated_us)
        .bind(row.reducer as i64)
        .bind(&row.state[..]);
}

fn bind_player(binder: &mut Binder, row: &PlayerRow) {
    let [x, y, z] = row.position;
    binder
        .bind(row.player_id.as_str())
        .bind(row.status.as_str())
        .bind(row.level)
        .bind(row.experience)
        .bind(row.health)
        .bind(x)
        .bind(y)
        .bind(z)
        .bind(row.inventory.as_str())
        .bind(row.statistics.as_str())
        .bind(row.achievements.as_str())
        .bind(row.last_updated_us)
        .bind(row.version as i64);
}

fn bind_match(binder: &mut Binder, row: &MatchRow) {
    binder
        .bind(row.match_id.as_str())
        .bind(row.phase.as_str())
        .bind(row.players.as_str())
        .bind(row.events.as_str())
        .bind(row.statistics.as_str())
        .bind(row.started_us)
        .bind(row.ended_us)
        .bind(row.last_updated_us)
        .bind(row.version as i64);
}
