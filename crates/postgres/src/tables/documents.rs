//! The aggregates' rows: [`DocumentTables`].

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{AggregateRow, DocumentTables, ListPage, LogError, StreamName, Version};
use sqlx::postgres::{PgBindIterExt, PgRow};
use sqlx::{PgConnection, Row};

use super::last_rows;
use crate::PostgresStore;
use crate::error::log_error;
use crate::pool::read;
use crate::read::place;
use crate::replicas::read_anywhere;

pub(crate) const TABLES: &[&str] = &["aggregate_states"];

pub(super) async fn write(
    connection: &mut PgConnection,
    rows: &[AggregateRow],
) -> sqlx::Result<()> {
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

#[async_trait]
impl DocumentTables for PostgresStore {
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
        // What is older than the events is folded on.
        let read = read_anywhere!(self, self.replicas.any(), connection, {
            aggregates(connection, streams).await
        });
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
