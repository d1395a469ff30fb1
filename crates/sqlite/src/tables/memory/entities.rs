//! The table of entities.

use gamemesh_repository::{EntityQuery, EntityRow, LogError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::log_error;

pub(in crate::tables) async fn write(
    connection: &mut SqliteConnection,
    rows: &[EntityRow],
) -> sqlx::Result<()> {
    for row in rows {
        if row.deleted {
            sqlx::query("DELETE FROM entities WHERE id = ?1 AND version < ?2")
                .bind(row.id.as_str())
                .bind(row.version as i64)
                .execute(&mut *connection)
                .await?;
            continue;
        }
        sqlx::query(
            "INSERT INTO entities (id, type, data, version, created_us, updated_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET type = excluded.type, \
             data = excluded.data, version = excluded.version, created_us = excluded.created_us, \
             updated_us = excluded.updated_us WHERE version < excluded.version",
        )
        .bind(row.id.as_str())
        .bind(row.entity_type.as_str())
        .bind(row.data.as_str())
        .bind(row.version as i64)
        .bind(row.created_us)
        .bind(row.updated_us)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    query: &EntityQuery,
) -> Result<Vec<EntityRow>, LogError> {
    let sql = match query.entity_type {
        Some(_) => {
            "SELECT id, type, data, version, created_us, updated_us FROM entities \
             WHERE type = ?1 AND updated_us >= ?2 AND updated_us < ?3 \
             AND (updated_us, id) > (?4, ?5) ORDER BY updated_us, id LIMIT ?6"
        }
        None => {
            "SELECT id, type, data, version, created_us, updated_us FROM entities \
             WHERE ?1 IS NULL AND updated_us >= ?2 AND updated_us < ?3 \
             AND (updated_us, id) > (?4, ?5) ORDER BY updated_us, id LIMIT ?6"
        }
    };
    let (after_us, after_id) = query.after.clone().unwrap_or((i64::MIN, String::new()));
    let rows = sqlx::query(sql)
        .bind(query.entity_type.as_deref())
        .bind(query.from_us)
        .bind(query.until_us)
        .bind(after_us)
        .bind(after_id)
        .bind(query.limit as i64)
        .fetch_all(connection)
        .await
        .map_err(log_error)?;
    let read = |row: &SqliteRow| -> sqlx::Result<EntityRow> {
        Ok(EntityRow {
            id: row.try_get(0)?,
            entity_type: row.try_get(1)?,
            data: row.try_get(2)?,
            version: row.try_get::<i64, _>(3)? as u64,
            created_us: row.try_get(4)?,
            updated_us: row.try_get(5)?,
            deleted: false,
        })
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(log_error)
}
