//! What players did.

use std::sync::LazyLock;

use gamemesh_repository::{HistoryQuery, HistoryRow, LogError, repeated_entries};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::error::log_error;
use crate::rows::RowStatement;

static APPEND: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "INSERT INTO player_history (player_id, time_us, entry_id, action, context)",
        5,
        "ON CONFLICT (player_id, time_us, entry_id) DO NOTHING RETURNING player_id, time_us, entry_id",
    )
});

/// What was there before is not inserted, and so not returned.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    rows: &[HistoryRow],
) -> Result<Vec<bool>, LogError> {
    let mut repeated = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(RowStatement::CHUNK_MAX) {
        let (sql, arguments) = APPEND
            .chunk(chunk, |binder, row| {
                binder
                    .bind(row.player_id.as_str())
                    .bind(row.time_us)
                    .bind(&row.entry_id.as_bytes()[..])
                    .bind(row.action.as_str())
                    .bind(row.context.as_str());
            })
            .map_err(log_error)?;
        let inserted: Vec<(String, i64, Vec<u8>)> = sqlx::query_as_with(sql, arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(log_error)?;
        let inserted = inserted.into_iter().filter_map(|(player, time_us, id)| {
            Some((player, time_us, Uuid::from_slice(&id).ok()?))
        });
        repeated.extend(repeated_entries(chunk, inserted));
    }
    Ok(repeated)
}

pub(super) async fn erase(
    connection: &mut SqliteConnection,
    player_id: &str,
) -> Result<u64, LogError> {
    sqlx::query("DELETE FROM player_history WHERE player_id = ?1")
        .bind(player_id)
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
        .map_err(log_error)
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    query: &HistoryQuery,
) -> Result<Vec<HistoryRow>, LogError> {
    let sql = if query.oldest_first {
        "SELECT time_us, entry_id, action, context FROM player_history \
         WHERE player_id = ?1 AND time_us >= ?2 AND time_us < ?3 AND (?4 IS NULL OR action = ?4) \
         AND (time_us, entry_id) > (?5, ?6) ORDER BY time_us, entry_id LIMIT ?7"
    } else {
        "SELECT time_us, entry_id, action, context FROM player_history \
         WHERE player_id = ?1 AND time_us >= ?2 AND time_us < ?3 AND (?4 IS NULL OR action = ?4) \
         AND (time_us, entry_id) < (?5, ?6) ORDER BY time_us DESC, entry_id DESC LIMIT ?7"
    };
    let end = match query.oldest_first {
        true => (i64::MIN, Uuid::nil()),
        false => (i64::MAX, Uuid::max()),
    };
    let (time_us, id) = query.after.unwrap_or(end);
    let rows = sqlx::query(sql)
        .bind(query.player_id.as_str())
        .bind(query.from_us)
        .bind(query.until_us)
        .bind(query.action.as_deref())
        .bind(time_us)
        .bind(&id.as_bytes()[..])
        .bind(query.limit as i64)
        .fetch_all(connection)
        .await
        .map_err(log_error)?;
    let read = |row: &SqliteRow| {
        let id: &[u8] = row.try_get(1).map_err(log_error)?;
        let entry_id = Uuid::from_slice(id)
            .map_err(|_| LogError::Corrupted("the id of an entry".to_owned()))?;
        Ok(HistoryRow {
            player_id: query.player_id.clone(),
            time_us: row.try_get(0).map_err(log_error)?,
            entry_id,
            action: row.try_get(2).map_err(log_error)?,
            context: row.try_get(3).map_err(log_error)?,
        })
    };
    rows.iter().map(read).collect()
}
