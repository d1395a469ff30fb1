//! What a batch must know from the disk before it is decided: in one or two statements, however
//! many streams and keys it names.

use std::collections::HashSet;
use std::sync::LazyLock;

use gamemesh_repository::batch::Plan;
use gamemesh_repository::{LogError, StreamHead, StreamName};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::queue::Command;
use crate::error::log_error;
use crate::read::kept_result;
use crate::rows::RowStatement;

static HEADS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "SELECT s.name, s.id, e.version, e.position, e.id FROM stream s JOIN event e \
         ON e.stream = s.id AND e.version = (SELECT max(version) FROM event WHERE stream = s.id) \
         WHERE s.name IN (",
        1,
        ")",
    )
});

static KEYS: LazyLock<RowStatement> = LazyLock::new(|| {
    RowStatement::new(
        "SELECT key, fingerprint, time_us, streams FROM idempotency WHERE key IN (",
        1,
        ")",
    )
});

/// Teaches the plan the heads and keys that the commands name and it does not know.
pub(super) async fn fill(
    connection: &mut SqliteConnection,
    plan: &mut Plan<'_>,
    commands: &[Command],
) -> Result<(), LogError> {
    let mut absent: HashSet<&StreamName> = HashSet::new();
    let mut keys: HashSet<&str> = HashSet::new();
    for command in commands {
        let Command::Appends { appends, .. } = command else { continue };
        for part in appends.iter().flat_map(|append| &append.streams) {
            if !plan.knows(&part.stream) {
                absent.insert(&part.stream);
            }
        }
        let idempotency = appends.iter().filter_map(|append| append.idempotency.as_ref());
        keys.extend(idempotency.map(|idempotency| idempotency.key.as_str()));
    }
    let absent: Vec<_> = absent.into_iter().collect();
    for chunk in absent.chunks(RowStatement::CHUNK_MAX) {
        let (sql, arguments) = HEADS
            .chunk(chunk, |row, stream| {
                row.bind(stream.as_str());
            })
            .map_err(log_error)?;
        let rows = sqlx::query_with(sql, arguments).fetch_all(&mut *connection).await;
        for row in rows.map_err(log_error)? {
            let (name, head) = head_of(&row).map_err(log_error)?;
            let name = StreamName::parse(&name)
                .ok_or_else(|| LogError::Corrupted(format!("stream name {name:?}")))?;
            plan.learn(name, head);
        }
    }
    let keys: Vec<_> = keys.into_iter().collect();
    for chunk in keys.chunks(RowStatement::CHUNK_MAX) {
        let (sql, arguments) = KEYS
            .chunk(chunk, |row, key| {
                row.bind(*key);
            })
            .map_err(log_error)?;
        let rows = sqlx::query_with(sql, arguments).fetch_all(&mut *connection).await;
        for row in rows.map_err(log_error)? {
            plan.learn_key(row.try_get(0).map_err(log_error)?, kept_result(&row, 1));
        }
    }
    Ok(())
}

fn head_of(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<(String, StreamHead)> {
    let head = StreamHead {
        id: row.try_get(1)?,
        version: row.try_get::<i64, _>(2)? as u64,
        position: row.try_get::<i64, _>(3)? as u64,
        last: Uuid::from_slice(row.try_get(4)?)
            .map_err(|error| sqlx::Error::Decode(error.into()))?,
    };
    Ok((row.try_get(0)?, head))
}
