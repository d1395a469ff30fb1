//! Moving cursors, with the rows that they stand for.

use gamemesh_repository::{Cursor, LogError, Position, Projected, TableSet, fault_point};
use sqlx::SqliteConnection;

use crate::error::log_error;
use crate::tables;

/// Rows and cursor together, behind the cursor's fence.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    projected: &Projected,
) -> Result<(), LogError> {
    let Projected { from, to, rows } = projected;
    check(connection, *from, to).await?;
    for rows in rows {
        tables::write(connection, rows).await.map_err(log_error)?;
    }
    fault_point("sqlite.mid_projection");
    set(connection, to).await
}

pub(super) async fn advance(
    connection: &mut SqliteConnection,
    from: Position,
    to: &Cursor,
) -> Result<(), LogError> {
    check(connection, from, to).await?;
    set(connection, to).await
}

pub(super) async fn reset(
    connection: &mut SqliteConnection,
    projection: &str,
) -> Result<(), LogError> {
    sqlx::query("DELETE FROM cursor WHERE projection = ?1")
        .bind(projection)
        .execute(connection)
        .await
        .map(drop)
        .map_err(log_error)
}

pub(super) async fn clear(
    connection: &mut SqliteConnection,
    projection: &str,
    sets: &[TableSet],
) -> Result<(), LogError> {
    for set in sets {
        tables::clear(connection, *set).await.map_err(log_error)?;
    }
    reset(connection, projection).await
}

async fn check(
    connection: &mut SqliteConnection,
    from: Position,
    to: &Cursor,
) -> Result<(), LogError> {
    let at: Option<i64> =
        sqlx::query_scalar("SELECT position FROM cursor WHERE projection = ?1 AND lane = ?2")
            .bind(to.projection.as_str())
            .bind(i64::from(to.lane.0))
            .fetch_optional(connection)
            .await
            .map_err(log_error)?;
    if at.unwrap_or(0) == from as i64 { Ok(()) } else { Err(LogError::Fenced) }
}

async fn set(connection: &mut SqliteConnection, to: &Cursor) -> Result<(), LogError> {
    sqlx::query(
        "INSERT INTO cursor (projection, lane, position) VALUES (?1, ?2, ?3) \
         ON CONFLICT (projection, lane) DO UPDATE SET position = excluded.position",
    )
    .bind(to.projection.as_str())
    .bind(i64::from(to.lane.0))
    .bind(to.position as i64)
    .execute(connection)
    .await
    .map(drop)
    .map_err(log_error)
}
