//! What players did.

use gamemesh_repository::{
    HistoryAppended, HistoryMark, HistoryQuery, HistoryRow, LogError, repeated_entries,
};
use sqlx::postgres::{PgBindIterExt as _, PgRow};
use sqlx::{PgConnection, Row};

use crate::document::compact;
use crate::error::log_error;
use crate::types::{Timestamp, Uuid};

/// No table has room for a row: `check_violation`.
const NO_PARTITION: &str = "23514";

/// The number of the transaction, and an entry that was inserted, if any was.
type Inserted = (i64, Option<String>, Option<Timestamp>, Option<Uuid>);

/// What was there before is not inserted, and so not returned. None: a month is not there.
pub(super) async fn append(
    connection: &mut PgConnection,
    rows: &[HistoryRow],
) -> Result<Option<HistoryAppended>, LogError> {
    let all = || rows.iter();
    // The transaction has a number also where nothing is inserted: what was there before is older.
    let inserted: Result<Vec<Inserted>, sqlx::Error> = sqlx::query_as(
        "WITH inserted AS (INSERT INTO player_history (player_id, time, entry_id, action, context) \
         SELECT p, t, e, a, c::jsonb \
         FROM unnest($1::text[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[]) \
           AS n (p, t, e, a, c) \
         ON CONFLICT DO NOTHING RETURNING player_id, time, entry_id) \
         SELECT pg_current_xact_id()::text::bigint, player_id, time, entry_id \
         FROM (SELECT) AS always LEFT JOIN inserted ON true",
    )
    .bind(all().map(|row| row.player_id.as_str()).bind_iter())
    .bind(all().map(|row| Timestamp(row.time_us)).bind_iter())
    .bind(all().map(|row| Uuid(row.entry_id)).bind_iter())
    .bind(all().map(|row| row.action.as_str()).bind_iter())
    .bind(all().map(|row| row.context.as_str()).bind_iter())
    .fetch_all(connection)
    .await;
    let inserted = match inserted {
        Ok(inserted) => inserted,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_PARTITION) => {
            return Ok(None);
        }
        Err(error) => return Err(log_error(error)),
    };
    let mark = HistoryMark(inserted.first().map_or(0, |(number, ..)| *number as u64));
    let key = |(_, player, time, id): Inserted| {
        let (Timestamp(time_us), Uuid(id)) = (time?, id?);
        Some((player?, time_us, id))
    };
    let repeated = repeated_entries(rows, inserted.into_iter().filter_map(key));
    Ok(Some(HistoryAppended { repeated, mark }))
}

pub(super) async fn erase(connection: &mut PgConnection, player_id: &str) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM player_history WHERE player_id = $1")
        .bind(player_id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

pub(super) async fn list(
    connection: &mut PgConnection,
    query: &HistoryQuery,
) -> sqlx::Result<Vec<HistoryRow>> {
    let sql = if query.oldest_first {
        "SELECT time, entry_id, action, context::text FROM player_history \
         WHERE player_id = $1 AND time >= $2 AND time < $3 AND ($4::text IS NULL OR action = $4) \
         AND (time, entry_id) > ($5, $6) ORDER BY time, entry_id LIMIT $7"
    } else {
        "SELECT time, entry_id, action, context::text FROM player_history \
         WHERE player_id = $1 AND time >= $2 AND time < $3 AND ($4::text IS NULL OR action = $4) \
         AND (time, entry_id) < ($5, $6) ORDER BY time DESC, entry_id DESC LIMIT $7"
    };
    let end = match query.oldest_first {
        true => (i64::MIN, uuid::Uuid::nil()),
        false => (i64::MAX, uuid::Uuid::max()),
    };
    let (time_us, id) = query.after.unwrap_or(end);
    let rows = sqlx::query(sql)
        .bind(query.player_id.as_str())
        .bind(Timestamp(query.from_us))
        .bind(Timestamp(query.until_us))
        .bind(query.action.as_deref())
        .bind(Timestamp(time_us))
        .bind(Uuid(id))
        .bind(query.limit as i64)
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        let Timestamp(time_us) = row.try_get(0)?;
        let Uuid(entry_id) = row.try_get(1)?;
        Ok(HistoryRow {
            player_id: query.player_id.clone(),
            time_us,
            entry_id,
            action: row.try_get(2)?,
            context: compact(row.try_get(3)?),
        })
    };
    rows.iter().map(read).collect()
}
