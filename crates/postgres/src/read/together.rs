//! The first events of several streams, by one statement.

use futures::TryStreamExt;
use gamemesh_repository::{Event, LogError, StreamName, Version};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::{checked, limit_of, number};
use crate::error::log_error;

/// What each stream has is its own answer; the outer error is everyone's.
pub(crate) async fn streams(
    connection: &mut PgConnection,
    asked: &[(StreamName, Version)],
    lanes: u16,
    limit_each: usize,
) -> Result<Vec<Result<Vec<Event>, LogError>>, LogError> {
    let names: Vec<&[u8]> = asked.iter().map(|(stream, _)| stream.as_str().as_bytes()).collect();
    let froms: Vec<i64> = asked.iter().map(|(_, from)| number(*from)).collect();
    // What is limited is read by its index for each, whatever is known of the tables' sizes.
    let mut rows = sqlx::query(
        "SELECT e.position, e.version, e.time_us, e.id, e.crc, e.kind, e.data, e.meta, asked.place \
         FROM unnest($1, $2) WITH ORDINALITY AS asked (name, first, place) \
         CROSS JOIN LATERAL ( \
           SELECT position, version, time_us, id, crc, kind, data, meta FROM event \
           WHERE stream = (SELECT id FROM stream WHERE name = asked.name) \
             AND version >= asked.first ORDER BY version LIMIT $3) e \
         ORDER BY asked.place, e.version",
    )
    .bind(names)
    .bind(froms)
    .bind(limit_of(limit_each))
    .fetch(connection);
    let mut answers: Vec<Result<Vec<Event>, LogError>> = vec![Ok(Vec::new()); asked.len()];
    while let Some(row) = rows.try_next().await.map_err(log_error)? {
        let place = place(&row, 8, asked.len())?;
        let (stream, from) = &asked[place];
        if let Ok(events) = &mut answers[place] {
            match next(&row, stream, lanes, *from, events) {
                Ok(event) => events.push(event),
                Err(error) => answers[place] = Err(error),
            }
        }
    }
    Ok(answers)
}

/// For which of those that were asked for a row is, which column `at` counts from 1.
pub(crate) fn place(row: &PgRow, at: usize, asked: usize) -> Result<usize, LogError> {
    let place: i64 = row.try_get(at).map_err(log_error)?;
    let place = usize::try_from(place - 1).ok().filter(|place| *place < asked);
    place.ok_or_else(|| LogError::Internal("a row that was not asked for".to_owned()))
}

/// The event of a row, which must be the one after those before it.
fn next(
    row: &PgRow,
    stream: &StreamName,
    lanes: u16,
    from: Version,
    before: &[Event],
) -> Result<Event, LogError> {
    let event = checked(row, stream.clone(), stream.lane(lanes)).map_err(log_error)??;
    let expected = before.last().map_or(from.max(1), |last| last.version + 1);
    if event.version == expected {
        return Ok(event);
    }
    Err(LogError::Corrupted(format!("{stream} has no version {expected}")))
}
