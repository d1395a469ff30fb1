//! The aggregates' rows: [`DocumentTables`].

use std::sync::LazyLock;

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_repository::{AggregateRow, DocumentTables, ListPage, LogError, StreamName, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::SqliteStore;
use crate::error::log_error;
use crate::rows::{Binder, RowStatement};

pub(super) const TABLES: &[&str] = &["aggregate_states"];

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

pub(super) async fn write(
    connection: &mut SqliteConnection,
    rows: &[AggregateRow],
) -> sqlx::Result<()> {
    AGGREGATES.execute(connection, rows.iter(), bind_aggregate).await
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

#[async_trait]
impl DocumentTables for SqliteStore {
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
