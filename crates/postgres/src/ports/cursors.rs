//! [`Cursors`] and [`TableWriter`]: rows and cursor together, behind the cursor's fence.

use async_trait::async_trait;
use gamemesh_repository::{
    Cursor, Cursors, Lane, LogError, Position, Projected, TableSet, TableWriter, fault_point,
    seeded_defect,
};
use sqlx::{Connection, PgConnection};

use crate::error::{Failure, failure, log_error};
use crate::pool::{once, read};
use crate::{PostgresStore, tables};

#[async_trait]
impl Cursors for PostgresStore {
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

    async fn advance(&self, from: Position, to: Cursor) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, {
            match move_cursor(connection, from, &to).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(LogError::Fenced),
                Err(error) => Err(maybe_written(error)),
            }
        })
    }

    async fn reset(&self, projection: &str) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, clear(connection, projection, &[]).await)
    }
}

#[async_trait]
impl TableWriter for PostgresStore {
    async fn write(&self, projected: Projected) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, write(connection, &projected).await)
    }

    async fn clear(&self, projection: &str, tables: &[TableSet]) -> Result<(), LogError> {
        self.writable()?;
        once!(self.pool, connection, clear(connection, projection, tables).await)
    }
}

async fn write(connection: &mut PgConnection, projected: &Projected) -> Result<(), LogError> {
    let Projected { from, to, rows } = projected;
    let mut transaction = connection.begin().await.map_err(log_error)?;
    if !move_cursor(&mut transaction, *from, to).await.map_err(log_error)? {
        transaction.rollback().await.map_err(log_error)?;
        return Err(LogError::Fenced);
    }
    if seeded_defect("postgres.cursor_first") {
        transaction.commit().await.map_err(maybe_written)?;
        transaction = connection.begin().await.map_err(log_error)?;
    }
    for rows in rows {
        tables::write(&mut transaction, rows).await.map_err(log_error)?;
    }
    fault_point("postgres.mid_projection");
    transaction.commit().await.map_err(maybe_written)
}

async fn clear(
    connection: &mut PgConnection,
    projection: &str,
    sets: &[TableSet],
) -> Result<(), LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    sqlx::query("DELETE FROM cursor WHERE projection = $1")
        .bind(projection)
        .execute(&mut *transaction)
        .await
        .map_err(log_error)?;
    for set in sets {
        tables::clear(&mut transaction, *set).await.map_err(log_error)?;
    }
    transaction.commit().await.map_err(maybe_written)
}

/// The cursor tells whoever comes back what became of a commit without a reply.
fn maybe_written(error: sqlx::Error) -> LogError {
    match failure(&error) {
        Failure::Lost => LogError::Unresolved(error.to_string()),
        _ => log_error(error),
    }
}

/// Whether the cursor stood where the projection began. Its row is locked from here on, so that
/// projectors of one lane take turns.
async fn move_cursor(
    connection: &mut PgConnection,
    from: Position,
    to: &Cursor,
) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "INSERT INTO cursor AS c (projection, lane, position) \
         SELECT $1, $2, $3 WHERE $4 = 0 OR EXISTS \
           (SELECT 1 FROM cursor WHERE projection = $1 AND lane = $2) \
         ON CONFLICT (projection, lane) DO UPDATE SET position = excluded.position \
         WHERE c.position = $4",
    )
    .bind(to.projection.as_str())
    .bind(to.lane.0 as i16)
    .bind(to.position as i64)
    .bind(from as i64)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}
