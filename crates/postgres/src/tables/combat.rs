//! Sessions, their events, and who took part: [`CombatTables`].

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    CombatEventRow, CombatPlayerRow, CombatQuery, CombatRows, CombatSessionRow, CombatTables,
    LogError,
};
use sqlx::postgres::{PgBindIterExt, PgRow};
use sqlx::{PgConnection, Row};

use super::last_rows;
use crate::PostgresStore;
use crate::document::{compact, storable};
use crate::error::log_error;
use crate::pool::read;
use crate::types::Timestamp;

pub(crate) const TABLES: &[&str] = &["combat_sessions", "combat_events", "combat_players"];

pub(super) async fn write(connection: &mut PgConnection, rows: &CombatRows) -> sqlx::Result<()> {
    sessions(connection, &rows.sessions).await?;
    events(connection, &rows.events).await?;
    players(connection, &rows.players).await
}

async fn sessions(connection: &mut PgConnection, rows: &[CombatSessionRow]) -> sqlx::Result<()> {
    let rows = last_rows(rows, |row| row.session_id.as_str());
    if rows.is_empty() {
        return Ok(());
    }
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO combat_sessions (id, name, type, status, max_players, map_id, game_mode, \
         created_at, started_at, ended_at, updated_at, revision, session) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], \
           $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], \
           $11::timestamptz[], $12::int8[], $13::bytea[]) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, \
         max_players = excluded.max_players, started_at = excluded.started_at, \
         ended_at = excluded.ended_at, updated_at = excluded.updated_at, \
         revision = excluded.revision, session = excluded.session \
         WHERE combat_sessions.revision <= excluded.revision",
    )
    .bind(rows().map(|row| row.session_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.name.as_str()).bind_iter())
    .bind(rows().map(|row| row.kind.as_str()).bind_iter())
    .bind(rows().map(|row| row.status.as_str()).bind_iter())
    .bind(rows().map(|row| row.max_players).bind_iter())
    .bind(rows().map(|row| row.map_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.game_mode.as_str()).bind_iter())
    .bind(rows().map(|row| Timestamp(row.created_us)).bind_iter())
    .bind(rows().map(|row| row.started_us.map(Timestamp)).bind_iter())
    .bind(rows().map(|row| row.ended_us.map(Timestamp)).bind_iter())
    .bind(rows().map(|row| Timestamp(row.updated_us)).bind_iter())
    .bind(rows().map(|row| row.revision as i64).bind_iter())
    .bind(rows().map(|row| &row.session[..]).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

async fn events(connection: &mut PgConnection, rows: &[CombatEventRow]) -> sqlx::Result<()> {
    // Of an event that is there twice the first one counts, as of one that is in the table already.
    let mut numbers = HashSet::new();
    let rows: Vec<_> =
        rows.iter().filter(|row| numbers.insert((row.session_id.as_str(), row.number))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = rows.iter().map(|row| row.id()).collect();
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO combat_events (id, session_id, number, type, player_id, data, \"timestamp\") \
         SELECT id, session_id, number, type, player_id, data::jsonb, time \
         FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::text[], \
           $7::timestamptz[]) AS rows (id, session_id, number, type, player_id, data, time) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(ids.iter().map(String::as_str).bind_iter())
    .bind(rows().map(|row| row.session_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.number as i64).bind_iter())
    .bind(rows().map(|row| row.kind.as_str()).bind_iter())
    .bind(rows().map(|row| row.player_id.as_deref()).bind_iter())
    .bind(rows().map(|row| storable(&row.data)).bind_iter())
    .bind(rows().map(|row| Timestamp(row.time_us)).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

async fn players(connection: &mut PgConnection, rows: &[CombatPlayerRow]) -> sqlx::Result<()> {
    let rows = last_rows(rows, |row| (row.player_id.as_str(), row.session_id.as_str()));
    if rows.is_empty() {
        return Ok(());
    }
    let rows = || rows.iter();
    sqlx::query(
        "INSERT INTO combat_players (player_id, session_id, score, updated_at, stats) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::timestamptz[], $5::bytea[]) \
         ON CONFLICT (player_id, session_id) DO UPDATE SET score = excluded.score, \
         updated_at = excluded.updated_at, stats = excluded.stats",
    )
    .bind(rows().map(|row| row.player_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.session_id.as_str()).bind_iter())
    .bind(rows().map(|row| row.score).bind_iter())
    .bind(rows().map(|row| Timestamp(row.updated_us)).bind_iter())
    .bind(rows().map(|row| &row.stats[..]).bind_iter())
    .execute(connection)
    .await
    .map(drop)
}

#[async_trait]
impl CombatTables for PostgresStore {
    async fn sessions(&self, query: &CombatQuery) -> Result<Vec<CombatSessionRow>, LogError> {
        let (created_us, id) = query.after.clone().unzip();
        let rows = read!(self.pool, connection, {
            sqlx::query(
                "SELECT id, name, type, status, max_players, map_id, game_mode, created_at, \
                 started_at, ended_at, updated_at, revision, session FROM combat_sessions AS s \
                 WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR map_id = $2) \
                 AND ($3::text IS NULL OR game_mode = $3) \
                 AND ($4::text IS NULL OR EXISTS (SELECT 1 FROM combat_players AS p \
                   WHERE p.player_id = $4 AND p.session_id = s.id)) \
                 AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6)) \
                 ORDER BY created_at DESC, id DESC LIMIT $7",
            )
            .bind(query.status.as_deref())
            .bind(query.map_id.as_deref())
            .bind(query.game_mode.as_deref())
            .bind(query.player_id.as_deref())
            .bind(created_us.map(Timestamp))
            .bind(id.as_deref())
            .bind(query.limit as i64)
            .fetch_all(connection)
            .await
            .map_err(log_error)
        })?;
        rows.iter().map(session).collect::<sqlx::Result<_>>().map_err(log_error)
    }

    async fn combat_events(
        &self,
        session_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatEventRow>, LogError> {
        let rows = read!(self.pool, connection, {
            sqlx::query(
                "SELECT session_id, number, type, player_id, data::text, \"timestamp\" \
                 FROM combat_events WHERE session_id = $1 ORDER BY \"timestamp\", number LIMIT $2",
            )
            .bind(session_id)
            .bind(limit as i64)
            .fetch_all(connection)
            .await
            .map_err(log_error)
        })?;
        rows.iter().map(event).collect::<sqlx::Result<_>>().map_err(log_error)
    }

    async fn player_sessions(
        &self,
        player_id: &str,
        limit: usize,
    ) -> Result<Vec<CombatPlayerRow>, LogError> {
        let rows = read!(self.pool, connection, {
            sqlx::query(
                "SELECT player_id, session_id, score, updated_at, stats FROM combat_players \
                 WHERE player_id = $1 ORDER BY updated_at DESC, session_id DESC LIMIT $2",
            )
            .bind(player_id)
            .bind(limit as i64)
            .fetch_all(connection)
            .await
            .map_err(log_error)
        })?;
        rows.iter().map(player).collect::<sqlx::Result<_>>().map_err(log_error)
    }
}

fn session(row: &PgRow) -> sqlx::Result<CombatSessionRow> {
    let time = |at| row.try_get::<Option<Timestamp>, _>(at).map(|time| time.map(|time| time.0));
    Ok(CombatSessionRow {
        session_id: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        status: row.try_get(3)?,
        max_players: row.try_get(4)?,
        map_id: row.try_get(5)?,
        game_mode: row.try_get(6)?,
        created_us: row.try_get::<Timestamp, _>(7)?.0,
        started_us: time(8)?,
        ended_us: time(9)?,
        updated_us: row.try_get::<Timestamp, _>(10)?.0,
        revision: row.try_get::<i64, _>(11)? as u64,
        session: Bytes::from(row.try_get::<Vec<u8>, _>(12)?),
    })
}

fn event(row: &PgRow) -> sqlx::Result<CombatEventRow> {
    Ok(CombatEventRow {
        session_id: row.try_get(0)?,
        number: row.try_get::<i64, _>(1)? as u64,
        kind: row.try_get(2)?,
        player_id: row.try_get(3)?,
        data: compact(row.try_get(4)?),
        time_us: row.try_get::<Timestamp, _>(5)?.0,
    })
}

fn player(row: &PgRow) -> sqlx::Result<CombatPlayerRow> {
    Ok(CombatPlayerRow {
        player_id: row.try_get(0)?,
        session_id: row.try_get(1)?,
        score: row.try_get(2)?,
        updated_us: row.try_get::<Timestamp, _>(3)?.0,
        stats: Bytes::from(row.try_get::<Vec<u8>, _>(4)?),
    })
}
