//! What a batch must know from the database before it is decided: one statement for the streams that
//! are not known, and one for the keys when it matters.

use std::collections::HashSet;

use gamemesh_repository::batch::Plan;
use gamemesh_repository::{Expected, LogError, StreamHead, StreamName};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::queue::Queued;
use crate::error::log_error;
use crate::read::kept_result;
use crate::types::Uuid;

/// Teaches the plan the heads that the commands name and it does not know. `assumes_absent`:
/// a stream that the first to name it would create is taken not to exist.
pub(super) async fn heads(
    connection: &mut PgConnection,
    plan: &mut Plan<'_>,
    commands: &[Queued],
    assumes_absent: bool,
) -> Result<(), LogError> {
    let mut asked: HashSet<&StreamName> = HashSet::new();
    for part in commands.iter().flat_map(|command| &command.append.streams) {
        if plan.knows(&part.stream) {
            continue;
        }
        // Whoever only requires its absence would not find out.
        let creates = part.expected == Expected::Exact(0) && !part.events.is_empty();
        if assumes_absent && creates && !asked.contains(&part.stream) {
            plan.assume_absent(part.stream.clone());
        } else {
            asked.insert(&part.stream);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let names: Vec<&[u8]> = asked.iter().map(|stream| stream.as_str().as_bytes()).collect();
    let rows = sqlx::query(
        "SELECT s.name, s.id, e.version, e.position, e.id FROM unnest($1) AS asked (name) \
         JOIN stream s ON s.name = asked.name \
         CROSS JOIN LATERAL (SELECT version, position, id FROM event WHERE stream = s.id \
                             ORDER BY version DESC LIMIT 1) e",
    )
    .bind(names)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    for row in rows {
        let (name, head) = head_of(&row).map_err(log_error)?;
        plan.learn(name?, head);
    }
    Ok(())
}

/// Teaches the plan the keys that the commands carry.
pub(super) async fn keys(
    connection: &mut PgConnection,
    plan: &mut Plan<'_>,
    commands: &[Queued],
) -> Result<(), LogError> {
    let keys: HashSet<&[u8]> = commands
        .iter()
        .filter_map(|command| command.append.idempotency.as_ref())
        .map(|idempotency| idempotency.key.as_bytes())
        .collect();
    let keys: Vec<&[u8]> = keys.into_iter().collect();
    let rows = sqlx::query(
        "SELECT key, fingerprint, time_us, streams FROM idempotency WHERE key = ANY ($1)",
    )
    .bind(keys)
    .fetch_all(connection)
    .await
    .map_err(log_error)?;
    for row in rows {
        let key: &[u8] = row.try_get(0).map_err(log_error)?;
        let key = String::from_utf8(key.to_vec())
            .map_err(|_| LogError::Corrupted("an idempotency key".to_owned()))?;
        plan.learn_key(key, kept_result(&row, 1));
    }
    Ok(())
}

fn head_of(row: &PgRow) -> sqlx::Result<(Result<StreamName, LogError>, StreamHead)> {
    let name: &[u8] = row.try_get(0)?;
    let name = std::str::from_utf8(name)
        .ok()
        .and_then(StreamName::parse)
        .ok_or_else(|| LogError::Corrupted(format!("stream name {name:?}")));
    let head = StreamHead {
        id: row.try_get(1)?,
        version: row.try_get::<i64, _>(2)? as u64,
        position: row.try_get::<i64, _>(3)? as u64,
        last: row.try_get::<Uuid, _>(4)?.0,
    };
    Ok((name, head))
}
