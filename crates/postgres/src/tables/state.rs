//! Players and matches: [`StateTables`].

use async_trait::async_trait;
use gamemesh_repository::{LogError, MatchRow, PlayerRow, StateRows, StateTables, Version};
use sqlx::postgres::{PgBindIterExt, PgRow};
use sqlx::{PgConnection, Row};

use super::last_rows;
use crate::PostgresStore;
use crate::document::{compact, storable};
use crate::error::log_error;
use crate::pool::read;
use crate::types::Timestamp;

pub(crate) const TABLES: &[&str] = &["player_states", "match_states"];

pub(super) async fn write(connection: &mut PgConnection, rows: &StateRows) -> sqlx::Result<()> {
    players(connection, &rows.players).await?;
    matches(connection, &rows.matches).await
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

#[async_trait]
impl StateTables for PostgresStore {
    async fn player(&self, player_id: &str) -> Result<Option<PlayerRow>, LogError> {
        let row = read!(self.pool, connection, {
            sqlx::query(
                "SELECT player_id, status, level, experience, health, position_x, position_y, \
                     position_z, inventory::text, statistics::text, achievements::text, \
                     last_updated, version FROM player_states WHERE player_id = $1",
            )
            .bind(player_id)
            .fetch_optional(connection)
            .await
            .map_err(log_error)
        })?;
        row.as_ref().map(player).transpose().map_err(log_error)
    }

    async fn match_state(&self, match_id: &str) -> Result<Option<MatchRow>, LogError> {
        let row = read!(self.pool, connection, {
            sqlx::query(
                "SELECT match_id, phase, players::text, events::text, statistics::text, \
                     started_at, ended_at, last_updated, version \
                     FROM match_states WHERE match_id = $1",
            )
            .bind(match_id)
            .fetch_optional(connection)
            .await
            .map_err(log_error)
        })?;
        row.as_ref().map(match_row).transpose().map_err(log_error)
    }
}

fn player(row: &PgRow) -> sqlx::Result<PlayerRow> {
    Ok(PlayerRow {
        player_id: row.try_get(0)?,
        deleted: false,
        status: row.try_get(1)?,
        level: row.try_get(2)?,
        experience: row.try_get(3)?,
        health: row.try_get(4)?,
        position: [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
        inventory: compact(row.try_get(8)?),
        statistics: compact(row.try_get(9)?),
        achievements: compact(row.try_get(10)?),
        last_updated_us: row.try_get::<Timestamp, _>(11)?.0,
        version: row.try_get::<i64, _>(12)? as Version,
    })
}

fn match_row(row: &PgRow) -> sqlx::Result<MatchRow> {
    let time = |at| row.try_get::<Option<Timestamp>, _>(at).map(|time| time.map(|time| time.0));
    Ok(MatchRow {
        match_id: row.try_get(0)?,
        deleted: false,
        phase: row.try_get(1)?,
        players: compact(row.try_get(2)?),
        events: compact(row.try_get(3)?),
        statistics: compact(row.try_get(4)?),
        started_us: time(5)?,
        ended_us: time(6)?,
        last_updated_us: row.try_get::<Timestamp, _>(7)?.0,
        version: row.try_get::<i64, _>(8)? as Version,
    })
}
