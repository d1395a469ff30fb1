//! Sessions, their events, and who took part: [`CombatTables`].

use std::sync::LazyLock;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow, CombatTables,
    LogError,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::last_rows;
use crate::SqliteStore;
use crate::error::log_error;
use crate::rows::RowStatement;

pub(super) const TABLES: &[&str] = &["combat_sessions", "combat_events", "combat_players"];

static SESSIONS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO combat_sessions (id, name, type, status, max_players, map_id, game_mode, \
         created_at, started_at, ended_at, updated_at, revision, session)",
        13,
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, \
         max_players = excluded.max_players, started_at = excluded.started_at, \
         ended_at = excluded.ended_at, updated_at = excluded.updated_at, \
         revision = excluded.revision, session = excluded.session \
         WHERE combat_sessions.revision <= excluded.revision",
    )
});

static EVENTS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO combat_events (id, session_id, number, type, player_id, data, timestamp)",
        7,
        "ON CONFLICT (id) DO NOTHING",
    )
});

static PLAYERS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO combat_players (player_id, session_id, score, updated_at, stats)",
        5,
        "ON CONFLICT (player_id, session_id) DO UPDATE SET score = excluded.score, \
         updated_at = excluded.updated_at, stats = excluded.stats",
    )
});

pub(super) async fn write(
    connection: &mut SqliteConnection,
    rows: &CombatRows,
) -> sqlx::Result<()> {
    let (_, sessions) = last_rows(&rows.sessions, |row| (&row.session_id, false));
    SESSIONS
        .execute(connection, sessions.into_iter(), |binder, row| {
            binder
                .bind(row.session_id.as_str())
                .bind(row.name.as_str())
                .bind(row.kind.as_str())
                .bind(row.status.as_str())
                .bind(row.max_players)
                .bind(row.map_id.as_str())
                .bind(row.game_mode.as_str())
                .bind(row.created_us)
                .bind(row.started_us)
                .bind(row.ended_us)
                .bind(row.updated_us)
                .bind(row.revision as i64)
                .bind(&row.session[..]);
        })
        .await?;
    EVENTS
        .execute(connection, rows.events.iter(), |binder, row| {
            binder
                .bind(row.id())
                .bind(row.session_id.as_str())
                .bind(row.number as i64)
                .bind(row.kind.as_str())
                .bind(row.player_id.as_deref())
                .bind(row.data.as_str())
                .bind(row.time_us);
        })
        .await?;
    PLAYERS
        .execute(connection, rows.players.iter(), |binder, row| {
            binder
                .bind(row.player_id.as_str())
                .bind(row.session_id.as_str())
                .bind(row.score)
                .bind(row.updated_us)
                .bind(&row.stats[..]);
        })
        .await
}

#[async_trait]
impl CombatTables for SqliteStore {
    async fn sessions(&self, query: &CombatQuery) -> Result<Vec<CombatSessionRow>, LogError> {
        let (created_us, id) = query.after.clone().unzip();
        let rows = sqlx::query(
            "SELECT id, name, type, status, max_players, map_id, game_mode, created_at, \
             started_at, ended_at, updated_at, revision, session FROM combat_sessions AS s \
             WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR map_id = ?2) \
             AND (?3 IS NULL OR game_mode = ?3) \
             AND (?4 IS NULL OR EXISTS (SELECT 1 FROM combat_players AS p \
               WHERE p.player_id = ?4 AND p.session_id = s.id)) \
             AND (?5 IS NULL OR (created_at, id) < (?5, ?6)) \
             ORDER BY created_at DESC, id DESC LIMIT ?7",
        )
        .bind(query.status.as_deref())
        .bind(query.map_id.as_deref())
        .bind(query.game_mode.as_deref())
        .bind(query.player_id.as_deref())
        .bind(created_us)
        .bind(id)
        .bind(query.limit as i64)
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        rows.iter().map(session).collect::<sqlx::Result<_>>().map_err(log_error)
    }

    async fn combat_events(
        &self,
        session_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatEventRow>, LogError> {
        let rows = sqlx::query(
            "SELECT session_id, number, type, player_id, data, timestamp FROM combat_events \
             WHERE session_id = ?1 ORDER BY timestamp, number LIMIT ?2",
        )
        .bind(session_id)
        .bind(limit as i64)
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        rows.iter().map(event).collect::<sqlx::Result<_>>().map_err(log_error)
    }

    async fn player_sessions(
        &self,
        player_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatPlayerRow>, LogError> {
        let rows = sqlx::query(
            "SELECT player_id, session_id, score, updated_at, stats FROM combat_players \
             WHERE player_id = ?1 ORDER BY updated_at DESC, session_id DESC LIMIT ?2",
        )
        .bind(player_id)
        .bind(limit as i64)
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        rows.iter().map(player).collect::<sqlx::Result<_>>().map_err(log_error)
    }
}

fn session(row: &SqliteRow) -> sqlx::Result<CombatSessionRow> {
    Ok(CombatSessionRow {
        session_id: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        status: row.try_get(3)?,
        max_players: row.try_get(4)?,
        map_id: row.try_get(5)?,
        game_mode: row.try_get(6)?,
        created_us: row.try_get(7)?,
        started_us: row.try_get(8)?,
        ended_us: row.try_get(9)?,
        updated_us: row.try_get(10)?,
        revision: row.try_get::<i64, _>(11)? as u64,
        session: Bytes::from(row.try_get::<Vec<u8>, _>(12)?),
    })
}

fn event(row: &SqliteRow) -> sqlx::Result<CombatEventRow> {
    Ok(CombatEventRow {
        session_id: row.try_get(0)?,
        number: row.try_get::<i64, _>(1)? as u64,
        kind: row.try_get(2)?,
        player_id: row.try_get(3)?,
        data: row.try_get(4)?,
        time_us: row.try_get(5)?,
    })
}

fn player(row: &SqliteRow) -> sqlx::Result<CombatPlayerRow> {
    Ok(CombatPlayerRow {
        player_id: row.try_get(0)?,
        session_id: row.try_get(1)?,
        score: row.try_get(2)?,
        updated_us: row.try_get(3)?,
        stats: Bytes::from(row.try_get::<Vec<u8>, _>(4)?),
    })
}
