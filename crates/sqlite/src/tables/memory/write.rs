//! What is remembered, written.

use gamemesh_repository::{
    CollectionRow, LogError, MemoryChange, MemoryOutcome, MemoryRow, fault_point,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::read;
use crate::error::log_error;

pub(super) async fn collection(
    connection: &mut SqliteConnection,
    row: &CollectionRow,
    expected: u64,
) -> Result<Result<(), u64>, LogError> {
    let actual: Option<i64> =
        sqlx::query_scalar("SELECT version FROM memory_collections WHERE collection = ?1")
            .bind(row.collection.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(log_error)?;
    let actual = actual.unwrap_or(0) as u64;
    if actual != expected {
        return Ok(Err(actual));
    }
    sqlx::query(
        "INSERT INTO memory_collections (collection, version, document) VALUES (?1, ?2, ?3) \
         ON CONFLICT (collection) DO UPDATE SET version = excluded.version, \
         document = excluded.document",
    )
    .bind(row.collection.as_str())
    .bind(row.version as i64)
    .bind(&row.document[..])
    .execute(connection)
    .await
    .map_err(log_error)?;
    Ok(Ok(()))
}

/// There is one writer: what is looked at before a group is written stays so.
pub(super) async fn memories(
    connection: &mut SqliteConnection,
    groups: &[Vec<MemoryChange>],
) -> Result<Vec<MemoryOutcome>, LogError> {
    let mut outcomes = Vec::with_capacity(groups.len());
    for group in groups {
        let outcome = match refused(connection, group).await? {
            Some(outcome) => outcome,
            None => {
                for change in group {
                    write(connection, change).await.map_err(log_error)?;
                    fault_point("sqlite.mid_memory");
                }
                MemoryOutcome::Written
            }
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

async fn refused(
    connection: &mut SqliteConnection,
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
                    "SELECT version FROM memories WHERE collection = ?1 AND id = ?2",
                )
                .bind(row.collection.as_str())
                .bind(&row.id.as_bytes()[..])
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

async fn write(connection: &mut SqliteConnection, change: &MemoryChange) -> sqlx::Result<()> {
    match change {
        MemoryChange::Insert(row) => {
            insert(connection, row).await?;
            lists(connection, row).await?;
            touch(connection, &row.collection, row.id, &row.readers, false).await
        }
        MemoryChange::Replace { row, left, .. } => {
            forget_lists(connection, &row.collection, row.id).await?;
            replace(connection, row).await?;
            lists(connection, row).await?;
            touch(connection, &row.collection, row.id, &row.readers, false).await?;
            touch(connection, &row.collection, row.id, left, true).await
        }
        MemoryChange::Access { collection, id, readers, accessed_us, times } => {
            let done = sqlx::query(
                "UPDATE memories SET accessed_us = max(accessed_us, ?3), accesses = accesses + ?4 \
                 WHERE collection = ?1 AND id = ?2",
            )
            .bind(collection.as_str())
            .bind(&id.as_bytes()[..])
            .bind(*accessed_us)
            .bind(*times as i64)
            .execute(&mut *connection)
            .await?;
            match done.rows_affected() {
                0 => Ok(()),
                _ => touch(connection, collection, *id, readers, false).await,
            }
        }
        MemoryChange::Erase { collection, id, readers } => {
            forget_lists(connection, collection, *id).await?;
            sqlx::query("DELETE FROM memories WHERE collection = ?1 AND id = ?2")
                .bind(collection.as_str())
                .bind(&id.as_bytes()[..])
                .execute(&mut *connection)
                .await?;
            touch(connection, collection, *id, readers, true).await
        }
    }
}

async fn insert(connection: &mut SqliteConnection, row: &MemoryRow) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO memories (collection, id, npc_id, kind, text, importance, pinned, visibility, \
         created_us, stored_us, valid_from_us, valid_until_us, forgotten, version, metadata, details, \
         idempotency_key, fingerprint, embedding, model, vector, accessed_us, accesses) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
         ?19, ?20, ?21, ?22, ?23)",
    );
    bind(statement, row)
        .bind(row.accessed_us)
        .bind(row.accesses as i64)
        .execute(connection)
        .await
        .map(drop)
}

/// Everything but how often it came to mind.
async fn replace(connection: &mut SqliteConnection, row: &MemoryRow) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE memories SET npc_id = ?3, kind = ?4, text = ?5, importance = ?6, pinned = ?7, \
         visibility = ?8, created_us = ?9, stored_us = ?10, valid_from_us = ?11, \
         valid_until_us = ?12, forgotten = ?13, version = ?14, metadata = ?15, details = ?16, \
         idempotency_key = ?17, fingerprint = ?18, embedding = ?19, model = ?20, vector = ?21 \
         WHERE collection = ?1 AND id = ?2",
    );
    bind(statement, row).execute(connection).await.map(drop)
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind<'q>(statement: Statement<'q>, row: &'q MemoryRow) -> Statement<'q> {
    let vector: Option<Vec<u8>> =
        row.vector.as_ref().map(|v| v.iter().flat_map(|number| number.to_le_bytes()).collect());
    statement
        .bind(row.collection.as_str())
        .bind(&row.id.as_bytes()[..])
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
        .bind(vector)
}

async fn lists(connection: &mut SqliteConnection, row: &MemoryRow) -> sqlx::Result<()> {
    for subject in &row.subjects {
        sqlx::query(
            "INSERT OR IGNORE INTO memory_subjects (subject, collection, id) VALUES (?1, ?2, ?3)",
        )
        .bind(subject.as_str())
        .bind(row.collection.as_str())
        .bind(&row.id.as_bytes()[..])
        .execute(&mut *connection)
        .await?;
    }
    for source in &row.sources {
        sqlx::query(
            "INSERT OR IGNORE INTO memory_sources (collection, source, id) VALUES (?1, ?2, ?3)",
        )
        .bind(row.collection.as_str())
        .bind(&source.as_bytes()[..])
        .bind(&row.id.as_bytes()[..])
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn forget_lists(
    connection: &mut SqliteConnection,
    collection: &str,
    id: Uuid,
) -> sqlx::Result<()> {
    for sql in [
        "DELETE FROM memory_subjects WHERE collection = ?1 AND id = ?2",
        "DELETE FROM memory_sources WHERE collection = ?1 AND id = ?2",
    ] {
        sqlx::query(sql)
            .bind(collection)
            .bind(&id.as_bytes()[..])
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn touch(
    connection: &mut SqliteConnection,
    collection: &str,
    id: Uuid,
    readers: &[String],
    gone: bool,
) -> sqlx::Result<()> {
    for reader in readers {
        let change: i64 = sqlx::query_scalar(
            "INSERT INTO memory_heads (collection, reader, change) VALUES (?1, ?2, 1) \
             ON CONFLICT (collection, reader) DO UPDATE SET change = change + 1 RETURNING change",
        )
        .bind(collection)
        .bind(reader.as_str())
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO memory_readers (collection, reader, id, change, gone) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (collection, reader, id) \
             DO UPDATE SET change = excluded.change, gone = excluded.gone",
        )
        .bind(collection)
        .bind(reader.as_str())
        .bind(&id.as_bytes()[..])
        .bind(change)
        .bind(gone)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
