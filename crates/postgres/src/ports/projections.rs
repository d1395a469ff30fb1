//! [`Projections`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{
    AggregateRow, Cursor, Lane, ListPage, LogError, MatchRow, PlayerRow, Position, Projected,
    Projections, StreamName, Version,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::project;
use crate::PostgresStore;
use crate::document::compact;
use crate::error::log_error;
use crate::pool::{once, read};
use crate::read::place;
use crate::types::Timestamp;

#[async_trait]
impl Projections for PostgresStore {
    async fn cursor(&self, projection: &str, lane: Lane) -> Result<Cursor, LogError> {
        let position: Option<i64> = read!(self.pool, connection, {
            sqlx::query_scalar("SELECT position FROM cursor WHERE projection = $1 AND lane = $2")
                .bind(projection)
                .bind(lane.0 as i16)
                .fetch_optional(connection)
                .await
                .map_err(log_error)
        })?;
        let position = position.unwrap_or(0) as Position;
        Ok(Cursor { projection: projection.to_owned(), lane, position })
    }

    async fn project(&self, projected: Projected) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, project::write(connection, &projected).await)
    }

    async fn aggregate(
        &self,
        aggregate_type: &str,
        id: &str,
    ) -> Result<Option<AggregateRow>, LogError> {
        let row = read!(self.pool, connection, {
            sqlx::query(
                "SELECT id, version, deleted, created_us, updated_us, reducer, state \
                     FROM aggregate_states WHERE aggregate_type = $1 AND id = $2",
            )
            .bind(aggregate_type)
            .bind(id)
            .fetch_optional(connection)
            .await
            .map_err(log_error)
        })?;
        row.map(|row| aggregate(&row, aggregate_type)).transpose().map_err(log_error)
    }

    async fn aggregates(
        &self,
        streams: &[StreamName],
    ) -> Vec<Result<Option<AggregateRow>, LogError>> {
        if streams.is_empty() {
            return Vec::new();
        }
        let read = read!(self.pool, connection, aggregates(connection, streams).await);
        read.unwrap_or_else(|error| vec![Err(error); streams.len()])
    }

    async fn list(
        &self,
        aggregate_type: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, LogError> {
        // Nothing sorts before the empty text but itself.
        let sql = match after {
            None => {
                "SELECT id, version, deleted, created_us, updated_us, reducer, state \
                 FROM aggregate_states WHERE aggregate_type = $1 AND NOT deleted AND id >= $2 \
                 ORDER BY id LIMIT $3"
            }
            Some(_) => {
                "SELECT id, version, deleted, created_us, updated_us, reducer, state \
                 FROM aggregate_states WHERE aggregate_type = $1 AND NOT deleted AND id > $2 \
                 ORDER BY id LIMIT $3"
            }
        };
        let rows = read!(self.pool, connection, {
            sqlx::query(sql)
                .bind(aggregate_type)
                .bind(after.unwrap_or_default())
                .bind(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
                .fetch_all(connection)
                .await
                .map_err(log_error)
        })?;
        let more = rows.len() > limit;
        let rows: sqlx::Result<_> =
            rows.iter().take(limit).map(|row| aggregate(row, aggregate_type)).collect();
        Ok(ListPage { rows: rows.map_err(log_error)?, more })
    }

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

    async fn reset(&self, projection: &str) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, project::reset(connection, projection).await)
    }
}

/// What each aggregate has is its own answer; the outer error is everyone's.
async fn aggregates(
    connection: &mut PgConnection,
    streams: &[StreamName],
) -> Result<Vec<Result<Option<AggregateRow>, LogError>>, LogError> {
    let (types, ids): (Vec<&str>, Vec<&str>) =
        streams.iter().map(|stream| (stream.category(), stream.key())).unzip();
    // The limit keeps it a look into the index for each, whatever is known of the table's size.
    let rows = sqlx::query(
        "SELECT a.id, a.version, a.deleted, a.created_us, a.updated_us, a.reducer, a.state, \
                asked.place \
         FROM unnest($1, $2) WITH ORDINALITY AS asked (aggregate_type, id, place) \
         CROSS JOIN LATERAL ( \
           SELECT id, version, deleted, created_us, updated_us, reducer, state \
           FROM aggregate_states \
           WHERE aggregate_type = asked.aggregate_type AND id = asked.id LIMIT 1) a",
    )
    .bind(types)
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    let mut answers = vec![Ok(None); streams.len()];
    for row in rows {
        let place = place(&row, 7, streams.len())?;
        answers[place] = aggregate(&row, streams[place].category()).map(Some).map_err(log_error);
    }
    Ok(answers)
}

fn aggregate(row: &PgRow, aggregate_type: &str) -> sqlx::Result<AggregateRow> {
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
