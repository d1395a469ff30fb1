//! Events as they are stored, checked while they are read.

mod together;

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use gamemesh_repository::batch::decode_kept;
use gamemesh_repository::{
    Appended, Direction, Event, Head, Lane, LogError, Position, StreamName, Version, event_crc,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::error::log_error;
use crate::names::Names;
use crate::types::Uuid;

pub(crate) use self::together::{place, streams};

pub(crate) async fn stream(
    connection: &mut PgConnection,
    stream: &StreamName,
    lane: Lane,
    from: Version,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Event>, LogError> {
    let sql = match direction {
        Direction::Forward => {
            "SELECT position, version, time_us, id, crc, kind, data, meta FROM event \
             WHERE stream = (SELECT id FROM stream WHERE name = $1) AND version >= $2 \
             ORDER BY version LIMIT $3"
        }
        Direction::Backward => {
            "SELECT position, version, time_us, id, crc, kind, data, meta FROM event \
             WHERE stream = (SELECT id FROM stream WHERE name = $1) AND version <= $2 \
             ORDER BY version DESC LIMIT $3"
        }
    };
    let mut rows = sqlx::query(sql)
        .bind(stream.as_str().as_bytes())
        .bind(number(from))
        .bind(limit_of(limit))
        .fetch(connection);
    let mut events: Vec<Event> = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(log_error)? {
        let event = checked(&row, stream.clone(), lane).map_err(log_error)??;
        let expected = match (events.last(), direction) {
            (None, Direction::Forward) => from.max(1),
            // Backward from beyond the head, the first event tells where the head is.
            (None, Direction::Backward) => event.version,
            (Some(last), Direction::Forward) => last.version + 1,
            (Some(last), Direction::Backward) => last.version - 1,
        };
        if event.version != expected {
            return Err(LogError::Corrupted(format!("{stream} has no version {expected}")));
        }
        events.push(event);
    }
    Ok(events)
}

pub(crate) async fn lane(
    connection: &mut PgConnection,
    names: &Names,
    lane: Lane,
    after: Position,
    limit: usize,
) -> Result<Vec<Event>, LogError> {
    let rows = sqlx::query(
        "SELECT position, version, time_us, id, crc, kind, data, meta, stream FROM event \
         WHERE lane = $1 AND position > $2 ORDER BY position LIMIT $3",
    )
    .bind(lane.0 as i16)
    .bind(number(after))
    .bind(limit_of(limit))
    .fetch_all(&mut *connection)
    .await
    .map_err(log_error)?;
    let streams: Vec<i64> =
        rows.iter().map(|row| row.try_get(8)).collect::<Result<_, _>>().map_err(log_error)?;
    let names = names.of(connection, &streams).await?;
    let mut events = Vec::with_capacity(rows.len());
    let mut expected = after;
    for (row, name) in rows.iter().zip(names) {
        expected += 1;
        let Some(stream) = name else {
            return Err(LogError::Corrupted(format!("the event at {expected} has no stream")));
        };
        let event = checked(row, stream, lane).map_err(log_error)??;
        if event.position != expected {
            return Err(LogError::Corrupted(format!("there is no event at position {expected}")));
        }
        events.push(event);
    }
    Ok(events)
}

/// One row of a read along the lane that brings the name of its stream.
pub(crate) fn lane_event(row: &PgRow, lane: Lane) -> Result<Event, LogError> {
    let name: Option<&[u8]> = row.try_get(8).map_err(log_error)?;
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let Some(stream) = name.and_then(StreamName::parse) else {
        let position = row.try_get::<i64, _>(0).map_err(log_error)?;
        return Err(LogError::Corrupted(format!("the event at {position} has no stream")));
    };
    checked(row, stream, lane).map_err(log_error)?
}

pub(crate) async fn head(
    connection: &mut PgConnection,
    stream: &StreamName,
    lane: Lane,
) -> Result<Option<Head>, LogError> {
    let row: Option<(i64, i64, i64)> = sqlx::query_as(
        "SELECT version, position, time_us FROM event \
         WHERE stream = (SELECT id FROM stream WHERE name = $1) ORDER BY version DESC LIMIT 1",
    )
    .bind(stream.as_str().as_bytes())
    .fetch_optional(connection)
    .await
    .map_err(log_error)?;
    Ok(row.map(|(version, position, time_us)| Head {
        stream: stream.clone(),
        version: version as Version,
        lane,
        position: position as Position,
        time_us,
    }))
}

/// Times never decrease along a stream, so the version is found by halving.
pub(crate) async fn version_at(
    connection: &mut PgConnection,
    stream: &StreamName,
    time_us: i64,
) -> Result<Version, LogError> {
    let version: i64 = sqlx::query_scalar(
        "WITH RECURSIVE named AS MATERIALIZED (SELECT id FROM stream WHERE name = $1), \
         search (low, high) AS ( \
           SELECT 0::bigint, coalesce((SELECT version FROM event \
             WHERE stream = (SELECT id FROM named) ORDER BY version DESC LIMIT 1), 0::bigint) \
           UNION ALL \
           SELECT CASE WHEN e.time_us <= $2 THEN e.version ELSE s.low END, \
                  CASE WHEN e.time_us <= $2 THEN s.high ELSE e.version - 1 END \
           FROM search s JOIN event e \
             ON e.stream = (SELECT id FROM named) AND e.version = (s.low + s.high + 1) / 2 \
           WHERE s.low < s.high) \
         SELECT low FROM search WHERE low >= high",
    )
    .bind(stream.as_str().as_bytes())
    .bind(time_us)
    .fetch_one(connection)
    .await
    .map_err(log_error)?;
    Ok(version as Version)
}

pub(crate) async fn idempotent(
    connection: &mut PgConnection,
    key: &str,
) -> Result<Option<(Appended, [u8; 16])>, LogError> {
    let row = sqlx::query("SELECT fingerprint, time_us, streams FROM idempotency WHERE key = $1")
        .bind(key.as_bytes())
        .fetch_optional(connection)
        .await
        .map_err(log_error)?;
    row.map(|row| kept_result(&row, 0)).transpose()
}

/// Fingerprint, time and streams from column `at` on.
pub(crate) fn kept_result(row: &PgRow, at: usize) -> Result<(Appended, [u8; 16]), LogError> {
    let fingerprint: &[u8] = row.try_get(at).map_err(log_error)?;
    let fingerprint = fingerprint
        .try_into()
        .map_err(|_| LogError::Corrupted("the fingerprint kept for a key".to_owned()))?;
    let time_us = row.try_get(at + 1).map_err(log_error)?;
    let streams = decode_kept(row.try_get(at + 2).map_err(log_error)?, true)?;
    Ok((Appended { streams, time_us, repeated: false }, fingerprint))
}

/// A number that is compared with a column: what lies beyond the column's range compares the same
/// as its end.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// An event whose checksum is that of its content. The outer error is a column that cannot be
/// decoded.
fn checked(row: &PgRow, stream: StreamName, lane: Lane) -> sqlx::Result<Result<Event, LogError>> {
    let event = Event {
        stream,
        position: row.try_get::<i64, _>(0)? as Position,
        version: row.try_get::<i64, _>(1)? as Version,
        lane,
        time_us: row.try_get(2)?,
        id: row.try_get::<Uuid, _>(3)?.0,
        kind: Arc::from(row.try_get::<&str, _>(5)?),
        data: Bytes::copy_from_slice(row.try_get(6)?),
        meta: Bytes::copy_from_slice(row.try_get(7)?),
    };
    if event_crc(&event) as i32 == row.try_get::<i32, _>(4)? {
        return Ok(Ok(event));
    }
    let Event { stream, version, position, .. } = event;
    Ok(Err(LogError::Corrupted(format!(
        "the checksum of {stream} version {version} at position {position} fails"
    ))))
}
