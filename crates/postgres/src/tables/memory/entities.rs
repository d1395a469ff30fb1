//! The table of entities.

use std::collections::BTreeMap;

use gamemesh_repository::{EntityQuery, EntityRow};
use sqlx::postgres::{PgBindIterExt as _, PgRow};
use sqlx::{Connection as _, PgConnection, Row};

use crate::document::compact;
use crate::types::Timestamp;

pub(in crate::tables) async fn write(
    connection: &mut PgConnection,
    rows: &[EntityRow],
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // Of one entity the newest.
    let mut newest: BTreeMap<&str, &EntityRow> = BTreeMap::new();
    for row in rows {
        let known = newest.entry(&row.id).or_insert(row);
        if known.version < row.version {
            *known = row;
        }
    }
    let (gone, present): (Vec<&EntityRow>, Vec<&EntityRow>) =
        newest.into_values().partition(|row| row.deleted);
    let mut transaction = connection.begin().await?;
    for row in gone {
        sqlx::query("DELETE FROM entities WHERE id = $1 AND version < $2")
            .bind(row.id.as_str())
            .bind(row.version as i64)
            .execute(&mut *transaction)
            .await?;
    }
    if !present.is_empty() {
        let all = || present.iter();
        sqlx::query(
            "INSERT INTO entities AS e (id, type, data, version, created_at, updated_at) \
             SELECT i, t, d::jsonb, v, c, u FROM unnest($1::text[], $2::text[], $3::text[], \
             $4::bigint[], $5::timestamptz[], $6::timestamptz[]) AS n (i, t, d, v, c, u) \
             ON CONFLICT (id) DO UPDATE SET type = excluded.type, data = excluded.data, \
             version = excluded.version, created_at = excluded.created_at, \
             updated_at = excluded.updated_at WHERE e.version < excluded.version",
        )
        .bind(all().map(|row| row.id.as_str()).bind_iter())
        .bind(all().map(|row| row.entity_type.as_str()).bind_iter())
        .bind(all().map(|row| row.data.as_str()).bind_iter())
        .bind(all().map(|row| row.version as i64).bind_iter())
        .bind(all().map(|row| Timestamp(row.created_us)).bind_iter())
        .bind(all().map(|row| Timestamp(row.updated_us)).bind_iter())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

pub(super) async fn list(
    connection: &mut PgConnection,
    query: &EntityQuery,
) -> sqlx::Result<Vec<EntityRow>> {
    let sql = match query.entity_type {
        Some(_) => {
            "SELECT id, type, data::text, version, created_at, updated_at FROM entities \
             WHERE type = $1 AND updated_at >= $2 AND updated_at < $3 \
             AND (updated_at, id) > ($4, $5) ORDER BY updated_at, id LIMIT $6"
        }
        None => {
            "SELECT id, type, data::text, version, created_at, updated_at FROM entities \
             WHERE $1::text IS NULL AND updated_at >= $2 AND updated_at < $3 \
             AND (updated_at, id) > ($4, $5) ORDER BY updated_at, id LIMIT $6"
        }
    };
    let (after_us, after_id) = query.after.clone().unwrap_or((i64::MIN, String::new()));
    let rows = sqlx::query(sql)
        .bind(query.entity_type.as_deref())
        .bind(Timestamp(query.from_us))
        .bind(Timestamp(query.until_us))
        .bind(Timestamp(after_us))
        .bind(after_id)
        .bind(query.limit as i64)
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        let (Timestamp(created_us), Timestamp(updated_us)) = (row.try_get(4)?, row.try_get(5)?);
        Ok(EntityRow {
            id: row.try_get(0)?,
            entity_type: row.try_get(1)?,
            data: compact(row.try_get(2)?),
            version: row.try_get::<i64, _>(3)? as u64,
            created_us,
            updated_us,
            deleted: false,
        })
    };
    rows.iter().map(read).collect()
}
