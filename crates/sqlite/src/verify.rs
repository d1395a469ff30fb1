//! Checking everything, in pieces, while the store is at work.
//!
//! Along the lane: positions, checksums and the chain, batch by batch. Along the index: the versions
//! of each stream. Each piece is its own short read, so that the write-ahead log is not held, and
//! what is appended after the start is not looked at.

use gamemesh_repository::{
    Chain, Event, LogError, Position, StreamName, VerifyReport, Violation, fault_point,
};
use sqlx::Row;

use crate::error::log_error;
use crate::read::{self, LANE};
use crate::readers::Readers;

/// Batches, or entries of the index, of one piece.
const PIECE_ROWS: i64 = 4_096;

/// Events that one batch can have, and more: a damaged number must not become memory.
const BATCH_EVENTS_MAX: i64 = 1 << 14;

pub(crate) async fn verify(readers: &Readers) -> Result<VerifyReport, LogError> {
    let (last_event, batch_end): (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT max(position) FROM event), 0), coalesce((SELECT first_position \
         + events - 1 FROM batch ORDER BY first_position DESC LIMIT 1), 0)",
    )
    .fetch_one(&mut *readers.get().await?)
    .await
    .map_err(log_error)?;
    let mut check = Check { readers, last: last_event, report: VerifyReport::default() };
    if last_event != batch_end {
        check.violate(last_event, None, format!("the last batch ends at {batch_end}"));
    }
    check.lane().await?;
    fault_point("sqlite.mid_verify");
    check.index().await?;
    check.names().await?;
    Ok(check.report)
}

struct Check<'a> {
    readers: &'a Readers,
    last: i64,
    report: VerifyReport,
}

struct Batch {
    first: i64,
    events: i64,
    chain: Vec<u8>,
}

impl Check<'_> {
    fn violate(&mut self, position: i64, stream: Option<StreamName>, what: impl Into<String>) {
        self.report.violations_total += 1;
        if self.report.violations.len() < VerifyReport::VIOLATIONS_MAX {
            let (position, what) = (position as Position, what.into());
            self.report.violations.push(Violation { lane: LANE, position, stream, what });
        }
    }

    /// Damage is a finding; only a store that cannot be asked is an error.
    fn found<T>(
        &mut self,
        position: i64,
        result: Result<T, LogError>,
    ) -> Result<Option<T>, LogError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(LogError::Corrupted(what)) => {
                self.violate(position, None, what);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn lane(&mut self) -> Result<(), LogError> {
        let mut next = 1;
        let mut chain = Chain::default();
        while next <= self.last {
            let batches = batches(self.readers, next, self.last).await;
            let Some(batches) = self.found(next, batches)?.filter(|found| !found.is_empty()) else {
                self.violate(next, None, "no batch covers the events from here on");
                return Ok(());
            };
            for batch in batches {
                if batch.first > next {
                    self.violate(next, None, "no batch covers the events from here on");
                } else if batch.first < next {
                    self.violate(batch.first, None, "the batch overlaps the one before it");
                }
                self.batch(&batch, &mut chain).await?;
                next = batch.first.saturating_add(batch.events.clamp(1, BATCH_EVENTS_MAX));
            }
        }
        Ok(())
    }

    async fn batch(&mut self, batch: &Batch, chain: &mut Chain) -> Result<(), LogError> {
        let count = batch.events.clamp(0, BATCH_EVENTS_MAX);
        let rows = rows(self.readers, batch.first, count).await;
        let events = self.found(batch.first, rows)?.unwrap_or_default();
        let whole = events.len() as i64 == batch.events;
        if !whole {
            let found = events.len();
            let what = format!("the batch has {} events, {found} are there", batch.events);
            self.violate(batch.first, None, what);
        }
        let mut sound = Vec::with_capacity(events.len());
        for (position, event) in events {
            match event {
                Ok(event) => sound.push(event),
                Err(LogError::Corrupted(what)) => self.violate(position, None, what),
                Err(error) => return Err(error),
            }
        }
        let link = chain.link(&sound);
        if whole && sound.len() as i64 == batch.events && link.0[..] != batch.chain[..] {
            self.violate(batch.first, None, "the chain is broken at this batch");
        }
        self.report.events += sound.len() as u64;
        self.report.batches += 1;
        // What follows is checked against what is stored, so that one break is one finding.
        if let Ok(stored) = batch.chain.as_slice().try_into() {
            *chain = Chain(stored);
        }
        Ok(())
    }

    /// Every entry of the index leads to its own row, and the versions of a stream are dense.
    async fn index(&mut self) -> Result<(), LogError> {
        let mut last = (0_i64, 0_i64, 0_i64);
        let mut entries = 0;
        loop {
            let piece = entries_after(self.readers, last.0, last.1).await;
            let Some(piece) = self.found(last.2, piece)? else { return Ok(()) };
            let ended = (piece.len() as i64) < PIECE_ROWS;
            for (stream, version, position, row_stream, row_version) in piece {
                let (last_stream, last_version, last_position) = last;
                last = (stream, version, position);
                if position > self.last {
                    continue;
                }
                entries += 1;
                let begins = stream != last_stream;
                self.report.streams += u64::from(begins);
                if (row_stream, row_version) != (Some(stream), Some(version)) {
                    self.violate(position, None, "the index disagrees with the event");
                }
                let (version_before, position_before) =
                    if begins { (0, 0) } else { (last_version, last_position) };
                if version != version_before + 1 || position <= position_before {
                    let what =
                        format!("version {version} of stream {stream} follows {version_before}");
                    self.violate(position, None, what);
                }
            }
            if ended {
                break;
            }
        }
        if entries != self.last {
            let what = format!("the index has {entries} entries for {} events", self.last);
            self.violate(self.last, None, what);
        }
        Ok(())
    }

    async fn names(&mut self) -> Result<(), LogError> {
        let names: Result<Vec<String>, _> = sqlx::query_scalar(
            "SELECT name FROM stream s WHERE NOT EXISTS \
             (SELECT 1 FROM event WHERE stream = s.id) LIMIT 100",
        )
        .fetch_all(&mut *self.readers.get().await?)
        .await
        .map_err(log_error);
        for name in self.found(0, names)?.unwrap_or_default() {
            self.violate(0, StreamName::parse(&name), "a stream without events");
        }
        Ok(())
    }
}

async fn batches(readers: &Readers, from: i64, last: i64) -> Result<Vec<Batch>, LogError> {
    let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT first_position, events, chain FROM batch \
         WHERE first_position BETWEEN ?1 AND ?2 ORDER BY first_position LIMIT ?3",
    )
    .bind(from)
    .bind(last)
    .bind(PIECE_ROWS)
    .fetch_all(&mut *readers.get().await?)
    .await
    .map_err(log_error)?;
    Ok(rows.into_iter().map(|(first, events, chain)| Batch { first, events, chain }).collect())
}

/// Each event of a batch with its position, or what is wrong with it.
async fn rows(
    readers: &Readers,
    first: i64,
    count: i64,
) -> Result<Vec<(i64, Result<Event, LogError>)>, LogError> {
    let rows = sqlx::query(
        "SELECT e.position, e.version, e.time_us, e.id, e.crc, e.kind, e.data, e.meta, s.name \
         FROM event e LEFT JOIN stream s ON s.id = e.stream \
         WHERE e.position >= ?1 AND e.position < ?1 + ?2 ORDER BY e.position",
    )
    .bind(first)
    .bind(count)
    .fetch_all(&mut *readers.get().await?)
    .await
    .map_err(log_error)?;
    rows.iter().map(|row| Ok((row.try_get(0).map_err(log_error)?, read::lane_event(row)))).collect()
}

/// Stream, version and position of an index entry; stream and version of the row that it leads to.
type Entry = (i64, i64, i64, Option<i64>, Option<i64>);

async fn entries_after(
    readers: &Readers,
    stream: i64,
    version: i64,
) -> Result<Vec<Entry>, LogError> {
    sqlx::query_as(
        "SELECT i.stream, i.version, i.position, e.stream, e.version \
         FROM event i INDEXED BY sqlite_autoindex_event_1 \
         LEFT JOIN event e ON e.position = i.position \
         WHERE (i.stream, i.version) > (?1, ?2) ORDER BY i.stream, i.version LIMIT ?3",
    )
    .bind(stream)
    .bind(version)
    .bind(PIECE_ROWS)
    .fetch_all(&mut *readers.get().await?)
    .await
    .map_err(log_error)
}
