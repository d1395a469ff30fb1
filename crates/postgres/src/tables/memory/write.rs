//! What is remembered, written.

use std::collections::{BTreeMap, BTreeSet};

use gamemesh_repository::{
    CollectionRow, LogError, MemoryChange, MemoryOutcome, MemoryRow, fault_point,
};
use sqlx::{Connection, PgConnection};

use super::{commit, read};
use crate::error::log_error;
use crate::types::Uuid;

pub(super) async fn collection(
    connection: &mut PgConnection,
    row: &CollectionRow,
    expected: u64,
) -> sqlx::Result<Result<(), u64>> {
    let sql = match expected {
        0 => {
            "INSERT INTO memory_collections (collection, version, document) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING"
        }
        _ => {
            "UPDATE memory_collections SET version = $2, document = $3 \
             WHERE collection = $1 AND version = $4"
        }
    };
    let mut statement = sqlx::query(sql)
        .bind(row.collection.as_str())
        .bind(row.version as i64)
        .bind(&row.document[..]);
    if expected > 0 {
        statement = statement.bind(expected as i64);
    }
    if statement.execute(&mut *connection).await?.rows_affected() == 1 {
        return Ok(Ok(()));
    }
    let actual: Option<i64> =
        sqlx::query_scalar("SELECT version FROM memory_collections WHERE collection = $1")
            .bind(row.collection.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(Err(actual.unwrap_or(0) as u64))
}

/// Collection and reader → the number that this transaction gives the page.
type Heads = BTreeMap<(String, String), i64>;

/// The heads of all pages that are touched are taken first and in one order: writers of one page take
/// turns, and what is looked at before a group is written stays so.
pub(super) async fn memories(
    connection: &mut PgConnection,
    groups: &[Vec<MemoryChange>],
) -> Result<Vec<MemoryOutcome>, LogError> {
    let mut transaction = connection.begin().await.map_err(log_error)?;
    let heads = take_heads(&mut transaction, groups).await.map_err(log_error)?;
    let mut outcomes = Vec::with_capacity(groups.len());
    for group in groups {
        let outcome = match refused(&mut transaction, group).await? {
            Some(outcome) => outcome,
            None => {
                for change in group {
                    write(&mut transaction, change, &heads).await.map_err(log_error)?;
                    fault_point("postgres.mid_memory");
                }
                MemoryOutcome::Written
            }
        };
        outcomes.push(outcome);
    }
    fault_point("postgres.before_memory_commit");
    commit(transaction).await?;
    fault_point("postgres.after_memory_commit");
    Ok(outcomes)
}

async fn take_heads(
    connection: &mut PgConnection,
    groups: &[Vec<MemoryChange>],
) -> sqlx::Result<Heads> {
    let mut pages = BTreeSet::new();
    for change in groups.iter().flatten() {
        let (collection, readers, left): (&str, &[String], &[String]) = match change {
            MemoryChange::Insert(row) => (&row.collection, &row.readers, &[]),
            MemoryChange::Replace { row, left, .. } => (&row.collection, &row.readers, left),
            MemoryChange::Access { collection, readers, .. }
            | MemoryChange::Erase { collection, readers, .. } => (collection, readers, &[]),
        };
        for reader in readers.iter().chain(left) {
            pages.insert((collection.to_owned(), reader.clone()));
        }
    }
    let mut heads = Heads::new();
    for (collection, reader) in pages {
        let change: i64 = sqlx::query_scalar(
            "INSERT INTO memory_heads AS h (collection, reader, change) VALUES ($1, $2, 1) \
             ON CONFLICT (collection, reader) DO UPDATE SET change = h.change + 1 RETURNING change",
        )
        .bind(collection.as_str())
        .bind(reader.as_str())
        .fetch_one(&mut *connection)
        .await?;
        heads.insert((collection, reader), change);
    }
    Ok(heads)
}

async fn refused(
    connection: &mut PgConnection,
    group: &[MemoryChange],
) -> Result<Option<MemoryOutcome>, LogError> {
    for change in group {
        match change {
            MemoryChange::Insert(row) => {
                if let Some(existing) = read::keyed(connection, row).await? {
                    return Ok(Some(MemoryOutcome::Existing(Box::new(existing))));
                }
            }
            MemoryChange::Replace { row, expected, .. } => {
                let actual: Option<i64> = sqlx::query_scalar(
                    "SELECT version FROM memories WHERE collection = $1 AND id = $2 FOR UPDATE",
                )
                .bind(row.collection.as_str())
                .bind(Uuid(row.id))
                .fetch_optional(&mut *connection)
                .await
                .map_err(log_error)?;
                let actual = actual.map(|version| version as u64);
                if actual != Some(*expected) {
                    return Ok(Some(MemoryOutcome::Conflict { id: row.id, actual }));
                }
            }
            MemoryChange::Access { .. } | MemoryChange::Erase { .. } => {}
        }
    }
    Ok(None)
}

async fn write(
    connection: &mut PgConnection,
    change: &MemoryChange,
    heads: &Heads,
) -> sqlx::Result<()> {
    match change {
        MemoryChange::Insert(row) => {
            insert(connection, row).await?;
            lists(connection, row).await?;
            touch(connection, heads, &row.collection, row.id, &row.readers, false).await
        }
        MemoryChange::Replace { row, left, .. } => {
            forget_lists(connection, &row.collection, row.id).await?;
            replace(connection, row).await?;
            lists(connection, row).await?;
            touch(connection, heads, &row.collection, row.id, &row.readers, false).await?;
            touch(connection, heads, &row.collection, row.id, left, true).await
        }
        MemoryChange::Access { collection, id, readers, accessed_us, times } => {
            let done = sqlx::query(
                "UPDATE memories SET accessed_us = greatest(accessed_us, $3), \
                 accesses = accesses + $4 WHERE collection = $1 AND id = $2",
            )
            .bind(collection.as_str())
            .bind(Uuid(*id))
            .bind(*accessed_us)
            .bind(*times as i64)
            .execute(&mut *connection)
            .await?;
            match done.rows_affected() {
                0 => Ok(()),
                _ => touch(connection, heads, collection, *id, readers, false).await,
            }
        }
        MemoryChange::Erase { collection, id, readers } => {
            forget_lists(connection, collection, *id).await?;
            sqlx::query("DELETE FROM memories WHERE collection = $1 AND id = $2")
                .bind(collection.as_str())
                .bind(Uuid(*id))
                .execute(&mut *connection)
                .await?;
            touch(connection, heads, collection, *id, readers, true).await
        }
    }
}

async fn insert(connection: &mut PgConnection, row: &MemoryRow) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO memories (collection, id, npc_id, kind, text, importance, pinned, visibility, \
         created_us, stored_us, valid_from_us, valid_until_us, forgotten, version, metadata, \
         details, idempotency_key, fingerprint, embedding, model, vector, accessed_us, accesses) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::jsonb, \
         $16, $17, $18, $19, $20, $21, $22, $23)",
    );
    bind(statement, row)
        .bind(row.accessed_us)
        .bind(row.accesses as i64)
        .execute(connection)
        .await
        .map(drop)
}

/// Everything but how often it came to mind.
async fn replace(connection: &mut PgConnection, row: &MemoryRow) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE memories SET npc_id = $3, kind = $4, text = $5, importance = $6, pinned = $7, \
         visibility = $8, created_us = $9, stored_us = $10, valid_from_us = $11, \
         valid_until_us = $12, forgotten = $13, version = $14, metadata = $15::text::jsonb, \
         details = $16, idempotency_key = $17, fingerprint = $18, embedding = $19, model = $20, \
         vector = $21 WHERE collection = $1 AND id = $2",
    );
    bind(statement, row).execute(connection).await.map(drop)
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind<'q>(statement: Statement<'q>, row: &'q MemoryRow) -> Statement<'q> {
    statement
        .bind(row.collection.as_str())
        .bind(Uuid(row.id))
        .bind(row.npc_id.as_str())
        .bind(row.kind.as_str())
        .bind(row.text.as_str())
        .bind(row.importance)
        .bind(row.pinned)
        .bind(row.visibility.as_str())
        .bind(row.created_us)
        .bind(row.stored_us)
        .bind(row.valid_from_us)
        .bind(row.valid_until_us)
        .bind(row.forgotten.as_deref())
        .bind(row.version as i64)
        .bind(row.metadata.as_str())
        .bind(row.details.as_str())
        .bind(row.idempotency_key.as_deref())
        .bind(&row.fingerprint[..])
        .bind(row.embedding.number())
        .bind(row.model.as_str())
        .bind(row.vector.as_deref())
}

async fn lists(connection: &mut PgConnection, row: &MemoryRow) -> sqlx::Result<()> {
    if !row.subjects.is_empty() {
        sqlx::query(
            "INSERT INTO memory_subjects (subject, collection, id) \
             SELECT subject, $2, $3 FROM unnest($1::text[]) AS subject ON CONFLICT DO NOTHING",
        )
        .bind(&row.subjects)
        .bind(row.collection.as_str())
        .bind(Uuid(row.id))
        .execute(&mut *connection)
        .await?;
    }
    if !row.sources.is_empty() {
        let sources: Vec<Uuid> = row.sources.iter().copied().map(Uuid).collect();
        sqlx::query(
            "INSERT INTO memory_sources (source, collection, id) \
             SELECT source, $2, $3 FROM unnest($1::uuid[]) AS source ON CONFLICT DO NOTHING",
        )
        .bind(sources)
        .bind(row.collection.as_str())
        .bind(Uuid(row.id))
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn forget_lists(
    connection: &mut PgConnection,
    collection: &str,
    id: uuid::Uuid,
) -> sqlx::Result<()> {
    for sql in [
        "DELETE FROM memory_subjects WHERE collection = $1 AND id = $2",
        "DELETE FROM memory_sources WHERE collection = $1 AND id = $2",
    ] {
        sqlx::query(sql).bind(collection).bind(Uuid(id)).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn touch(
    connection: &mut PgConnection,
    heads: &Heads,
    collection: &str,
    id: uuid::Uuid,
    readers: &[String],
    gone: bool,
) -> sqlx::Result<()> {
    for reader in readers {
        let change = heads.get(&(collection.to_owned(), reader.clone())).copied().unwrap_or(0);
        sqlx::query(
            "INSERT INTO memory_readers (collection, reader, id, change, gone) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (collection, reader, id) \
             DO UPDATE SET change = excluded.change, gone = excluded.gone",
        )
        .bind(collection)
        .bind(reader.as_str())
        .bind(Uuid(id))
        .bind(change)
        .bind(gone)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Dead rows are in the files until they are written anew.
pub(super) async fn scrub(connection: &mut PgConnection) -> sqlx::Result<()> {
    for sql in
        ["VACUUM (FULL) memories", "VACUUM (FULL) memory_subjects", "VACUUM (FULL) player_history"]
    {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
    }
    Ok(())
}
