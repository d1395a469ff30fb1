//! The short reads of a check.

use gamemesh_repository::{Event, Lane, LogError};
use sqlx::Row;

use crate::error::log_error;
use crate::pool::{Pool, read};
use crate::read::lane_event;

/// Rows of one piece.
const PIECE_ROWS: i64 = 4_096;

pub(super) struct LaneEnd {
    pub(super) lane: i16,
    pub(super) position: i64,
    pub(super) chain: Vec<u8>,
}

pub(super) struct BatchRow {
    pub(super) first: i64,
    pub(super) events: i64,
    pub(super) chain: Vec<u8>,
}

pub(super) struct Piece<T> {
    pub(super) rows: Vec<T>,
    /// Whether nothing follows.
    pub(super) ended: bool,
}

pub(super) struct VersionRow {
    pub(super) stream: i64,
    pub(super) version: i64,
    pub(super) position: i64,
    pub(super) lane: i16,
}

pub(super) async fn ends(pool: &Pool) -> Result<Vec<LaneEnd>, LogError> {
    let rows: Vec<(i16, i64, Vec<u8>)> = read!(pool, connection, {
        sqlx::query_as("SELECT lane, position, chain FROM lane ORDER BY lane")
            .fetch_all(connection)
            .await
            .map_err(log_error)
    })?;
    Ok(rows.into_iter().map(|(lane, position, chain)| LaneEnd { lane, position, chain }).collect())
}

pub(super) async fn batches(
    pool: &Pool,
    lane: i16,
    from: i64,
    last: i64,
) -> Result<Vec<BatchRow>, LogError> {
    let rows: Vec<(i64, i64, Vec<u8>)> = read!(pool, connection, {
        sqlx::query_as(
            "SELECT first_position, events, chain FROM batch WHERE lane = $1 \
                 AND first_position BETWEEN $2 AND $3 ORDER BY first_position LIMIT $4",
        )
        .bind(lane)
        .bind(from)
        .bind(last)
        .bind(PIECE_ROWS)
        .fetch_all(connection)
        .await
        .map_err(log_error)
    })?;
    Ok(rows.into_iter().map(|(first, events, chain)| BatchRow { first, events, chain }).collect())
}

/// Each event of a batch with its position, or what is wrong with it.
pub(super) async fn events(
    pool: &Pool,
    lane: i16,
    first: i64,
    count: i64,
) -> Result<Vec<(i64, Result<Event, LogError>)>, LogError> {
    let rows = read!(pool, connection, {
        sqlx::query(
            "SELECT e.position, e.version, e.time_us, e.id, e.crc, e.kind, e.data, e.meta, \
                 s.name FROM event e LEFT JOIN stream s ON s.id = e.stream WHERE e.lane = $1 \
                 AND e.position >= $2 AND e.position < $2 + $3 ORDER BY e.position",
        )
        .bind(lane)
        .bind(first)
        .bind(count)
        .fetch_all(connection)
        .await
        .map_err(log_error)
    })?;
    let lane = Lane(lane as u16);
    rows.iter().map(|row| Ok((row.try_get(0).map_err(log_error)?, lane_event(row, lane)))).collect()
}

/// Whether events stand after a position without the lane having moved on.
pub(super) async fn beyond(pool: &Pool, lane: i16, last: i64) -> Result<bool, LogError> {
    read!(pool, connection, {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM event WHERE lane = $1 AND position > $2) \
             AND (SELECT position FROM lane WHERE lane = $1) = $2",
        )
        .bind(lane)
        .bind(last)
        .fetch_one(connection)
        .await
        .map_err(log_error)
    })
}

pub(super) async fn versions(
    pool: &Pool,
    stream: i64,
    version: i64,
) -> Result<Piece<VersionRow>, LogError> {
    let rows: Vec<(i64, i64, i64, i16)> = read!(pool, connection, {
        sqlx::query_as(
            "SELECT stream, version, position, lane FROM event \
                 WHERE (stream, version) > ($1, $2) ORDER BY stream, version LIMIT $3",
        )
        .bind(stream)
        .bind(version)
        .bind(PIECE_ROWS)
        .fetch_all(connection)
        .await
        .map_err(log_error)
    })?;
    let ended = (rows.len() as i64) < PIECE_ROWS;
    let rows = rows
        .into_iter()
        .map(|(stream, version, position, lane)| VersionRow { stream, version, position, lane })
        .collect();
    Ok(Piece { rows, ended })
}

/// Some of the names to which no event leads.
pub(super) async fn streams_without_events(pool: &Pool) -> Result<Vec<Vec<u8>>, LogError> {
    read!(pool, connection, {
        sqlx::query_scalar(
            "SELECT name FROM stream s WHERE NOT EXISTS \
             (SELECT 1 FROM event WHERE stream = s.id) LIMIT 100",
        )
        .fetch_all(connection)
        .await
        .map_err(log_error)
    })
}
