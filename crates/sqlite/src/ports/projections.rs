//! [`Projections`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    AggregateRow, Cursor, Lane, ListPage, LogError, MatchRow, PlayerRow, Position, Projected,
    Projections, StreamName, Version,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::SqliteStore;
use crate::error::log_error;
use crate::writer::Side;

#[async_trait]
impl Projections for SqliteStore {
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError> {
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM cursor WHERE projection = ?1 AND lane = ?2")
                .bind(projection)
                .bind(i64::from(lane.0))
                .fetch_optional(&mut *self.readers.get().await?)
                .await
                .map_err(log_error)?;
        let position = position.unwrap_or(0) as Position;
        Ok(Cursor { projection: projection.to_owned(), lane, position })
    }

    async fn project(&self, projected: Projected) -> Result<(), LogError> {
        self.side(Side::Project(projected)).await
    }

    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError> {
        aggregate(&mut *self.readers.get().await?, aggregate_type, id).await
    }

    /// One after another on one connection, as streams are read.
    async fn aggregates(
        &self,
        streams: &[StreamName],
    ) -> Vec<Result<Option<AggregateRow>, LogError>> {
        let mut reader = match self.readers.get().await {
            Ok(reader) => reader,
            Err(error) => return vec![Err(error); streams.len()],
        };
        let mut answers = Vec::with_capacity(streams.len());
        for stream in streams {
            answers.push(aggregate(&mut reader, stream.category(), stream.key()).await);
        }
        answers
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, LogError> {
        // Text compares by its bytes; nothing sorts before the empty text but itself.
        let sql = match after {
            None => {
                "SELECT id, version, deleted, created_us, updated_us, reducer, state \
                 FROM aggregate_states WHERE aggregate_type = ?1 AND deleted = 0 AND id >= ?2 \
                 ORDER BY id LIMIT ?3"
            }
            Some(_) => {
                "SELECT id, version, deleted, created_us, updated_us, reducer, state \
                 FROM aggregate_states WHERE aggregate_type = ?1 AND deleted = 0 AND id > ?2 \
                 ORDER BY id LIMIT ?3"
            }
        };
        let rows = sqlx::query(sql)
            .bind(aggregate_type)
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.readers.get().await?)
            .await
            .map_err(log_error)?;
        let more = rows.len() > limit;
        let rows: sqlx::Result<_> =
            rows.iter().take(limit).map(|row| decode(row, aggregate_type)).collect();
        Ok(ListPage { rows: rows.map_err(log_error)?, more })
    }

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

    async fn reset(&self, projection: &str) -> Result<(), LogError> {
        self.side(Side::Reset(projection.to_owned())).await
    }
}

async fn aggregate(
    connection: &mut SqliteConnection,
    aggregate_type: &str,
    id: &str,
) -> Result<Option<AggregateRow>, LogError> {
    let row = sqlx::query(
        "SELECT id, version, deleted, created_us, updated_us, reducer, state \
         FROM aggregate_states WHERE aggregate_type = ?1 AND id = ?2",
    )
    .bind(aggregate_type)
    .bind(id)
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    row.map(|row| decode(&row, aggregate_type)).transpose().map_err(log_error)
}

fn decode(row: &SqliteRow, aggregate_type: &str) -> sqlx::Result<AggregateRow> {
    Ok(AggregateRow {
        aggregate_type: aggregate_type.to_owned(),
        id: row.try_get(0)?,
        version: row.try_get::<i64, _>(1)? as Version,
        deleted: row.try_get(2)?,
        created_us: row.try_get(3)?,
        updated_us: row.try_get(4)?,
        reducer: row.try_get::<i64, _>(5)? as u64,
        state: Bytes::copy_from_slice(row.try_get(6)?),
    })
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
