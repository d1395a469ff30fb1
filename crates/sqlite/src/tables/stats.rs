//! [`StatsTables`]: reads on a reading connection, writes in the transactions of the writer.

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    FrozenRow, Lane, LogError, MatchStatsRow, MatchSummaryRow, PlayerStatsRow, Position,
    StatsProgress, StatsTables, StatsWrite, fault_point,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::SqliteStore;
use crate::error::log_error;
use crate::writer::AuxiliaryWrite;

/// A write of these tables.
pub(crate) enum Work {
    Rows(StatsWrite),
    Freeze { window: String, rows: Vec<FrozenRow> },
    Forget(Vec<String>),
}

impl Work {
    /// Bytes, as the bounds of the queue count them.
    pub(crate) fn size(&self) -> usize {
        let of_match = |row: &MatchStatsRow| {
            let players = row.players.iter().map(|p| p.figures.len() + 256).sum::<usize>();
            row.state.len() + row.summary.len() + players
        };
        match self {
            Self::Rows(write) => write.matches.iter().map(of_match).sum(),
            Self::Freeze { rows, .. } => rows.iter().map(|row| row.figures.len() + 64).sum(),
            Self::Forget(_) => 0,
        }
    }

    /// Does it, inside of a savepoint.
    pub(crate) async fn run(&self, connection: &mut SqliteConnection) -> Result<(), LogError> {
        match self {
            Self::Rows(write) => rows(connection, write).await,
            Self::Freeze { window, rows } => {
                freeze(connection, window, rows).await.map_err(log_error)
            }
            Self::Forget(windows) => forget(connection, windows).await.map_err(log_error),
        }
    }
}

async fn rows(connection: &mut SqliteConnection, write: &StatsWrite) -> Result<(), LogError> {
    let at = progress(connection, write.lane).await?;
    if at.position != write.from {
        return Err(LogError::Fenced);
    }
    sqlx::query(
        "INSERT INTO stats_progress (lane, position, state) VALUES (?1, ?2, ?3) \
         ON CONFLICT (lane) DO UPDATE SET position = excluded.position, state = excluded.state",
    )
    .bind(i64::from(write.lane.0))
    .bind(write.to.position as i64)
    .bind(&write.to.state[..])
    .execute(&mut *connection)
    .await
    .map_err(log_error)?;
    for row in &write.matches {
        if put_match(connection, row).await.map_err(log_error)? {
            put_players(connection, row).await.map_err(log_error)?;
        }
        fault_point("sqlite.mid_stats");
    }
    Ok(())
}

/// Whether the row is newer than what was there.
async fn put_match(connection: &mut SqliteConnection, row: &MatchStatsRow) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO match_stats (match_id, lane, version, status, map, mode, winner, started_us, \
         ended_us, last_event_us, summary, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (match_id) DO UPDATE SET lane = excluded.lane, version = excluded.version, \
         status = excluded.status, map = excluded.map, mode = excluded.mode, \
         winner = excluded.winner, started_us = excluded.started_us, ended_us = excluded.ended_us, \
         last_event_us = excluded.last_event_us, summary = excluded.summary, \
         state = excluded.state WHERE version < excluded.version",
    )
    .bind(row.match_id.as_str())
    .bind(i64::from(row.lane.0))
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

async fn put_players(connection: &mut SqliteConnection, row: &MatchStatsRow) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM match_player_stats WHERE match_id = ?1")
        .bind(row.match_id.as_str())
        .execute(&mut *connection)
        .await?;
    for player in &row.players {
        sqlx::query(
            "INSERT INTO match_player_stats (match_id, player_id, team, kills, deaths, assists, \
             headshot_kills, damage_dealt_milli, damage_taken_milli, rounds_played, kast_rounds, \
             distance_mm, figures) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )
        .bind(row.match_id.as_str())
        .bind(player.player_id.as_str())
        .bind(player.team.as_str())
        .bind(player.kills)
        .bind(player.deaths)
        .bind(player.assists)
        .bind(player.headshot_kills)
        .bind(player.damage_dealt_milli)
        .bind(player.damage_taken_milli)
        .bind(player.rounds_played)
        .bind(player.kast_rounds)
        .bind(player.distance_mm)
        .bind(player.figures.as_str())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn freeze(
    connection: &mut SqliteConnection,
    window: &str,
    rows: &[FrozenRow],
) -> sqlx::Result<()> {
    let new =
        sqlx::query("INSERT INTO stats_frozen_window (name) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind(window)
            .execute(&mut *connection)
            .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    for row in rows {
        sqlx::query(
            "INSERT INTO stats_frozen (window_name, player_id, figures) VALUES (?1, ?2, ?3)",
        )
        .bind(window)
        .bind(row.player_id.as_str())
        .bind(&row.figures[..])
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn forget(connection: &mut SqliteConnection, windows: &[String]) -> sqlx::Result<()> {
    for window in windows {
        for sql in [
            "DELETE FROM stats_frozen WHERE window_name = ?1",
            "DELETE FROM stats_frozen_window WHERE name = ?1",
        ] {
            sqlx::query(sql).bind(window.as_str()).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn progress(
    connection: &mut SqliteConnection,
    lane: Lane,
) -> Result<StatsProgress, LogError> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT position, state FROM stats_progress WHERE lane = ?1")
            .bind(i64::from(lane.0))
            .fetch_optional(connection)
            .await
            .map_err(log_error)?;
    Ok(row.map_or_else(StatsProgress::default, |(position, state)| StatsProgress {
        position: position as Position,
        state: state.into(),
    }))
}

#[async_trait]
impl StatsTables for SqliteStore {
    async fn stats_progress(&self, lane: Lane) -> Result<StatsProgress, LogError> {
        progress(&mut *self.readers.get().await?, lane).await
    }

    async fn write_stats(&self, write: StatsWrite) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Stats(Work::Rows(write))).await
    }

    async fn match_state_bytes(&self, match_id: &str) -> Result<Option<Bytes>, LogError> {
        let state: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT state FROM match_stats WHERE match_id = ?1")
                .bind(match_id)
                .fetch_optional(&mut *self.readers.get().await?)
                .await
                .map_err(log_error)?;
        Ok(state.map(Bytes::from))
    }

    async fn match_stats(&self, match_id: &str) -> Result<Option<MatchStatsRow>, LogError> {
        let mut connection = self.readers.get().await?;
        let row = sqlx::query(
            "SELECT match_id, lane, version, status, map, mode, winner, started_us, ended_us, \
             last_event_us, summary, state FROM match_stats WHERE match_id = ?1",
        )
        .bind(match_id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(log_error)?;
        let Some(row) = row else { return Ok(None) };
        let players = sqlx::query(
            "SELECT player_id, team, kills, deaths, assists, headshot_kills, damage_dealt_milli, \
             damage_taken_milli, rounds_played, kast_rounds, distance_mm, figures \
             FROM match_player_stats WHERE match_id = ?1 ORDER BY player_id",
        )
        .bind(match_id)
        .fetch_all(&mut *connection)
        .await
        .map_err(log_error)?;
        let players = players.iter().map(player).collect::<sqlx::Result<_>>();
        players.and_then(|players| match_row(&row, players)).map(Some).map_err(log_error)
    }

    async fn match_summaries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MatchSummaryRow>, LogError> {
        let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT match_id, version, summary FROM match_stats WHERE match_id > ?1 \
             ORDER BY match_id LIMIT ?2",
        )
        .bind(after.unwrap_or_default())
        .bind(limit as i64)
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
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
        self.auxiliary(AuxiliaryWrite::Stats(Work::Freeze { window: window.to_owned(), rows }))
            .await
    }

    async fn frozen_windows(&self) -> Result<Vec<String>, LogError> {
        sqlx::query_scalar("SELECT name FROM stats_frozen_window ORDER BY name")
            .fetch_all(&mut *self.readers.get().await?)
            .await
            .map_err(log_error)
    }

    async fn frozen_window(&self, window: &str) -> Result<Option<Vec<FrozenRow>>, LogError> {
        // One statement sees one state: a window without players is there all the same.
        let rows: Vec<(Option<String>, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT f.player_id, f.figures FROM stats_frozen_window AS w \
             LEFT JOIN stats_frozen AS f ON f.window_name = w.name \
             WHERE w.name = ?1 ORDER BY f.player_id",
        )
        .bind(window)
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error)?;
        Ok((!rows.is_empty()).then(|| {
            let row = |(player_id, figures): (Option<String>, Option<Vec<u8>>)| {
                let (player_id, figures) = (player_id?, figures?.into());
                Some(FrozenRow { window: window.to_owned(), player_id, figures })
            };
            rows.into_iter().filter_map(row).collect()
        }))
    }

    async fn forget_frozen(&self, windows: Vec<String>) -> Result<(), LogError> {
        self.auxiliary(AuxiliaryWrite::Stats(Work::Forget(windows))).await
    }
}

fn match_row(row: &SqliteRow, players: Vec<PlayerStatsRow>) -> sqlx::Result<MatchStatsRow> {
    Ok(MatchStatsRow {
        match_id: row.try_get(0)?,
        lane: Lane(row.try_get::<i64, _>(1)? as u16),
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
    })
}

fn player(row: &SqliteRow) -> sqlx::Result<PlayerStatsRow> {
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
        figures: row.try_get(11)?,
    })
}
