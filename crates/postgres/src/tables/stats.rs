//! [`StatsTables`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    FrozenRow, Lane, LogError, MatchStatsRow, MatchSummaryRow, PlayerStatsRow, Position,
    StatsProgress, StatsTables, StatsWrite, fault_point,
};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use crate::PostgresStore;
use crate::document::compact;
use crate::error::{Failure, failure, log_error};
use crate::pool::{once, read};

pub(crate) const TABLES: &[&str] = &["match_stats", "match_player_stats", "stats_frozen"];

#[async_trait]
impl StatsTables for PostgresStore {
    async fn stats_progress(&self, lane: Lane) -> Result<StatsProgress, LogError> {
        let row: Option<(i64, Vec<u8>)> = read!(self.pool, connection, {
            sqlx::query_as("SELECT position, state FROM stats_progress WHERE lane = $1")
                .bind(lane.0 as i16)
                .fetch_optional(connection)
                .await
                .map_err(log_error)
        })?;
        Ok(row.map_or_else(StatsProgress::default, |(position, state)| StatsProgress {
            position: position as Position,
            state: state.into(),
        }))
    }

    async fn write_stats(&self, write: StatsWrite) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, rows(connection, &write).await)
    }

    async fn match_state_bytes(&self, match_id: &str) -> Result<Option<Bytes>, LogError> {
        let state: Option<Vec<u8>> = read!(self.pool, connection, {
            sqlx::query_scalar("SELECT state FROM match_stats WHERE match_id = $1")
                .bind(match_id)
                .fetch_optional(connection)
                .await
                .map_err(log_error)
        })?;
        Ok(state.map(Bytes::from))
    }

    async fn match_stats(&self, match_id: &str) -> Result<Option<MatchStatsRow>, LogError> {
        read!(self.pool, connection, match_stats(connection, match_id).await.map_err(log_error))
    }

    async fn match_summaries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MatchSummaryRow>, LogError> {
        let rows: Vec<(String, i64, Vec<u8>)> = read!(self.pool, connection, {
            sqlx::query_as(
                "SELECT match_id, version, summary FROM match_stats WHERE match_id > $1 \
                 ORDER BY match_id LIMIT $2",
            )
            .bind(after.unwrap_or_default())
            .bind(limit as i64)
            .fetch_all(connection)
            .await
            .map_err(log_error)
        })?;
        Ok(rows
            .into_iter()
            .map(|(match_id, version, summary)| MatchSummaryRow {
                match_id,
                version: version as u64,
                summary: summary.into(),
            })
            .collect())
    }

    async fn freeze(&self, window: &str, rows: Vec<FrozenRow>) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, freeze(connection, window, &rows).await)
    }

    async fn frozen_windows(&self) -> Result<Vec<String>, LogError> {
        read!(self.pool, connection, {
            sqlx::query_scalar("SELECT name FROM stats_frozen_window ORDER BY name")
                .fetch_all(connection)
                .await
                .map_err(log_error)
        })
    }

    async fn frozen_window(&self, window: &str) -> Result<Option<Vec<FrozenRow>>, LogError> {
        // One statement sees one state: a window without players is there all the same.
        let rows: Vec<(Option<String>, Option<Vec<u8>>)> = read!(self.pool, connection, {
            sqlx::query_as(
                "SELECT f.player_id, f.figures FROM stats_frozen_window AS w \
                 LEFT JOIN stats_frozen AS f ON f.window_name = w.name \
                 WHERE w.name = $1 ORDER BY f.player_id",
            )
            .bind(window)
            .fetch_all(connection)
            .await
            .map_err(log_error)
        })?;
        Ok((!rows.is_empty()).then(|| {
            let row = |(player_id, figures): (Option<String>, Option<Vec<u8>>)| {
                let (player_id, figures) = (player_id?, figures?.into());
                Some(FrozenRow { window: window.to_owned(), player_id, figures })
            };
            rows.into_iter().filter_map(row).collect()
        }))
    }

    async fn forget_frozen(&self, windows: Vec<String>) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, forget(connection, &windows).await)
    }
}

/// Rows in the order of their matches, so that two writers never wait for each other in a circle.
async fn rows(connection: &mut PgConnection, write: &StatsWrite) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    if !move_progress(&mut transaction, write).await.map_err(log_error)? {
        transaction.rollback().await.map_err(log_error)?;
        return Err(LogError::Fenced);
    }
    let mut matches: Vec<&MatchStatsRow> = write.matches.iter().collect();
    matches.sort_by(|a, b| a.match_id.cmp(&b.match_id));
    for row in matches {
        if put_match(&mut transaction, row).await.map_err(log_error)? {
            put_players(&mut transaction, row).await.map_err(log_error)?;
        }
    }
    fault_point("postgres.mid_stats");
    commit(transaction).await
}

/// The progress tells whoever comes back what became of a commit without a reply.
async fn commit(transaction: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), LogError> {
    transaction.commit().await.map_err(|error| match failure(&error) {
        Failure::Lost => LogError::Unresolved(error.to_string()),
        _ => log_error(error),
    })
}

/// Whether the rows went to where the writer believed. The row is locked from here on.
async fn move_progress(connection: &mut PgConnection, write: &StatsWrite) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "INSERT INTO stats_progress AS p (lane, position, state) \
         SELECT $1, $2, $3 WHERE $4 = 0 OR EXISTS (SELECT 1 FROM stats_progress WHERE lane = $1) \
         ON CONFLICT (lane) DO UPDATE SET position = excluded.position, state = excluded.state \
         WHERE p.position = $4",
    )
    .bind(write.lane.0 as i16)
    .bind(write.to.position as i64)
    .bind(&write.to.state[..])
    .bind(write.from as i64)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() > 0)
}

async fn put_match(connection: &mut PgConnection, row: &MatchStatsRow) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO match_stats AS m (match_id, lane, version, status, map, mode, winner, \
         started_us, ended_us, last_event_us, summary, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (match_id) DO UPDATE SET lane = excluded.lane, version = excluded.version, \
         status = excluded.status, map = excluded.map, mode = excluded.mode, \
         winner = excluded.winner, started_us = excluded.started_us, ended_us = excluded.ended_us, \
         last_event_us = excluded.last_event_us, summary = excluded.summary, \
         state = excluded.state WHERE m.version < excluded.version",
    )
    .bind(row.match_id.as_str())
    .bind(row.lane.0 as i16)
    .bind(row.version as i64)
    .bind(row.status.as_str())
    .bind(row.map.as_str())
    .bind(row.mode.as_str())
    .bind(row.winner.as_str())
    .bind(row.started_us)
    .bind(row.ended_us)
    .bind(row.last_event_us)
    .bind(&row.summary[..])
    .bind(&row.state[..])
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn put_players(connection: &mut PgConnection, row: &MatchStatsRow) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM match_player_stats WHERE match_id = $1")
        .bind(row.match_id.as_str())
        .execute(&mut *connection)
        .await?;
    let texts = |get: fn(&PlayerStatsRow) -> &str| -> Vec<String> {
        row.players.iter().map(|player| get(player).to_owned()).collect()
    };
    let numbers =
        |get: fn(&PlayerStatsRow) -> i64| -> Vec<i64> { row.players.iter().map(get).collect() };
    sqlx::query(
        "INSERT INTO match_player_stats (match_id, player_id, team, kills, deaths, assists, \
         headshot_kills, damage_dealt_milli, damage_taken_milli, rounds_played, kast_rounds, \
         distance_mm, figures) \
         SELECT $1, player_id, team, kills, deaths, assists, headshots, dealt, taken, rounds, kast, \
         distance, figures::jsonb \
         FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
         $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[]) \
         AS p (player_id, team, kills, deaths, assists, headshots, dealt, taken, rounds, kast, \
         distance, figures)",
    )
    .bind(row.match_id.as_str())
    .bind(texts(|p| &p.player_id))
    .bind(texts(|p| &p.team))
    .bind(numbers(|p| p.kills))
    .bind(numbers(|p| p.deaths))
    .bind(numbers(|p| p.assists))
    .bind(numbers(|p| p.headshot_kills))
    .bind(numbers(|p| p.damage_dealt_milli))
    .bind(numbers(|p| p.damage_taken_milli))
    .bind(numbers(|p| p.rounds_played))
    .bind(numbers(|p| p.kast_rounds))
    .bind(numbers(|p| p.distance_mm))
    .bind(texts(|p| &p.figures))
    .execute(connection)
    .await
    .map(drop)
}

async fn freeze(
    connection: &mut PgConnection,
    window: &str,
    rows: &[FrozenRow],
) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    let new =
        sqlx::query("INSERT INTO stats_frozen_window (name) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(window)
            .execute(&mut *transaction)
            .await
            .map_err(log_error)?;
    if new.rows_affected() > 0 {
        let players: Vec<&str> = rows.iter().map(|row| row.player_id.as_str()).collect();
        let figures: Vec<&[u8]> = rows.iter().map(|row| &row.figures[..]).collect();
        sqlx::query(
            "INSERT INTO stats_frozen (window_name, player_id, figures) \
             SELECT $1, player_id, figures FROM unnest($2::text[], $3::bytea[]) \
             AS f (player_id, figures)",
        )
        .bind(window)
        .bind(players)
        .bind(figures)
        .execute(&mut *transaction)
        .await
        .map_err(log_error)?;
    }
    commit(transaction).await
}

async fn forget(connection: &mut PgConnection, windows: &[String]) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    for sql in [
        "DELETE FROM stats_frozen WHERE window_name = ANY($1)",
        "DELETE FROM stats_frozen_window WHERE name = ANY($1)",
    ] {
        sqlx::query(sql).bind(windows).execute(&mut *transaction).await.map_err(log_error)?;
    }
    commit(transaction).await
}

async fn match_stats(
    connection: &mut PgConnection,
    match_id: &str,
) -> sqlx::Result<Option<MatchStatsRow>> {
    let row = sqlx::query(
        "SELECT match_id, lane, version, status, map, mode, winner, started_us, ended_us, \
         last_event_us, summary, state FROM match_stats WHERE match_id = $1",
    )
    .bind(match_id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let players = sqlx::query(
        "SELECT player_id, team, kills, deaths, assists, headshot_kills, damage_dealt_milli, \
         damage_taken_milli, rounds_played, kast_rounds, distance_mm, figures::text \
         FROM match_player_stats WHERE match_id = $1 ORDER BY player_id",
    )
    .bind(match_id)
    .fetch_all(connection)
    .await?;
    let players = players.iter().map(player).collect::<sqlx::Result<_>>()?;
    Ok(Some(MatchStatsRow {
        match_id: row.try_get(0)?,
        lane: Lane(row.try_get::<i16, _>(1)? as u16),
        version: row.try_get::<i64, _>(2)? as u64,
        status: row.try_get(3)?,
        map: row.try_get(4)?,
        mode: row.try_get(5)?,
        winner: row.try_get(6)?,
        started_us: row.try_get(7)?,
        ended_us: row.try_get(8)?,
        last_event_us: row.try_get(9)?,
        summary: row.try_get::<Vec<u8>, _>(10)?.into(),
        state: row.try_get::<Vec<u8>, _>(11)?.into(),
        players,
    }))
}

fn player(row: &PgRow) -> sqlx::Result<PlayerStatsRow> {
    Ok(PlayerStatsRow {
        player_id: row.try_get(0)?,
        team: row.try_get(1)?,
        kills: row.try_get(2)?,
        deaths: row.try_get(3)?,
        assists: row.try_get(4)?,
        headshot_kills: row.try_get(5)?,
        damage_dealt_milli: row.try_get(6)?,
        damage_taken_milli: row.try_get(7)?,
        rounds_played: row.try_get(8)?,
        kast_rounds: row.try_get(9)?,
        distance_mm: row.try_get(10)?,
        figures: compact(row.try_get(11)?),
    })
}
