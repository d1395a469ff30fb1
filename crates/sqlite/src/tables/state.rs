//! Players and matches: [`StateTables`].

use std::sync::LazyLock;

use async_trait::async_trait;
use gamemesh_repository::{LogError, MatchRow, PlayerRow, StateRows, StateTables, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::last_rows;
use crate::SqliteStore;
use crate::error::log_error;
use crate::rows::{Binder, RowStatement};

pub(super) const TABLES: &[&str] = &["player_states", "match_states"];

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

pub(super) async fn write(connection: &mut SqliteConnection, rows: &StateRows) -> sqlx::Result<()> {
    let (gone, players) = last_rows(&rows.players, |row| (&row.player_id, row.deleted));
    GONE_PLAYERS
        .execute(connection, gone.into_iter(), |binder, row| {
            binder.bind(row.player_id.as_str());
        })
        .await?;
    PLAYERS.execute(connection, players.into_iter(), bind_player).await?;
    let (gone, matches) = last_rows(&rows.matches, |row| (&row.match_id, row.deleted));
    GONE_MATCHES
        .execute(connection, gone.into_iter(), |binder, row| {
            binder.bind(row.match_id.as_str());
        })
        .await?;
    MATCHES.execute(connection, matches.into_iter(), bind_match).await
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

#[async_trait]
impl StateTables for SqliteStore {
    async fn player(&self, player_id: &str) -> Result<Option<PlayerRow>, LogError> {
        let row = sqlx::query(
            "SELECT player_id, status, level, experience, health, position_x, position_y, \
             position_z, inventory, statistics, achievements, last_updated, version \
             FROM player_states WHERE player_id = ?1",
        )
        .bind(player_id)
        .fetch_optional(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        row.as_ref().map(player).transpose().map_err(log_error)
    }

    async fn match_state(&self, match_id: &str) -> Result<Option<MatchRow>, LogError> {
        let row = sqlx::query(
            "SELECT match_id, phase, players, events, statistics, started_at, ended_at, \
             last_updated, version FROM match_states WHERE match_id = ?1",
        )
        .bind(match_id)
        .fetch_optional(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        row.as_ref().map(match_row).transpose().map_err(log_error)
    }
}

fn player(row: &SqliteRow) -> sqlx::Result<PlayerRow> {
    Ok(PlayerRow {
        player_id: row.try_get(0)?,
        deleted: false,
        status: row.try_get(1)?,
        level: row.try_get(2)?,
        experience: row.try_get(3)?,
        health: row.try_get(4)?,
        position: [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
        inventory: row.try_get(8)?,
        statistics: row.try_get(9)?,
        achievements: row.try_get(10)?,
        last_updated_us: row.try_get(11)?,
        version: row.try_get::<i64, _>(12)? as Version,
    })
}

fn match_row(row: &SqliteRow) -> sqlx::Result<MatchRow> {
    Ok(MatchRow {
        match_id: row.try_get(0)?,
        deleted: false,
        phase: row.try_get(1)?,
        players: row.try_get(2)?,
        events: row.try_get(3)?,
        statistics: row.try_get(4)?,
        started_us: row.try_get(5)?,
        ended_us: row.try_get(6)?,
        last_updated_us: row.try_get(7)?,
        version: row.try_get::<i64, _>(8)? as Version,
    })
}
