//! Checking everything, in pieces, while the store is at work.
//!
//! Along each lane: positions, checksums and the chain, batch by batch. Along the streams: their
//! versions. Each piece is its own short read, so that no old snapshot is held, and what is appended
//! after the start is not looked at.

mod pieces;

use std::collections::HashMap;

use gamemesh_repository::{
    Chain, Lane, LogError, Position, StreamName, VerifyReport, Violation, fault_point,
};

use crate::pool::Pool;
use pieces::{BatchRow, LaneEnd, Piece};

/// Events that one batch can have, and more: a damaged number must not become memory.
const BATCH_EVENTS_MAX: i64 = 1 << 14;

pub(crate) async fn verify(pool: &Pool) -> Result<VerifyReport, LogError> {
    let ends = pieces::ends(pool).await?;
    let mut check = Check { pool, report: VerifyReport::default() };
    for end in &ends {
        check.lane(end).await?;
    }
    fault_point("postgres.mid_verify");
    check.streams(&ends).await?;
    check.names().await?;
    Ok(check.report)
}

struct Check<'a> {
    pool: &'a Pool,
    report: VerifyReport,
}

impl Check<'_> {
    fn violate(
        &mut self,
        lane: i16,
        position: i64,
        stream: Option<StreamName>,
        what: impl Into<String>,
    ) {
        self.report.violations_total += 1;
        if self.report.violations.len() < VerifyReport::VIOLATIONS_MAX {
            let (lane, position) = (Lane(lane as u16), position as Position);
            self.report.violations.push(Violation { lane, position, stream, what: what.into() });
        }
    }

    /// Damage is a finding; only a store that cannot be asked is an error.
    fn found<T>(
        &mut self,
        lane: i16,
        position: i64,
        result: Result<T, LogError>,
    ) -> Result<Option<T>, LogError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(LogError::Corrupted(what)) => {
                self.violate(lane, position, None, what);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn lane(&mut self, end: &LaneEnd) -> Result<(), LogError> {
        let LaneEnd { lane, position: last, .. } = *end;
        let mut next = 1;
        let mut chain = Chain::default();
        while next <= last {
            let batches = pieces::batches(self.pool, lane, next, last).await;
            let batches = self.found(lane, next, batches)?;
            let Some(batches) = batches.filter(|found| !found.is_empty()) else {
                self.violate(lane, next, None, "no batch covers the events from here on");
                return Ok(());
            };
            for batch in batches {
                if batch.first != next {
                    self.violate(lane, next, None, "no batch covers the events from here on");
                }
                self.batch(lane, &batch, &mut chain).await?;
                next = batch.first + batch.events.max(1);
            }
        }
        if next != last + 1 {
            let what = format!("the last batch ends at {}", next - 1);
            self.violate(lane, last, None, what);
        }
        if chain.0[..] != end.chain[..] {
            self.violate(lane, last, None, "the lane's link is not that of its last batch");
        }
        let beyond = pieces::beyond(self.pool, lane, last).await?;
        if beyond {
            self.violate(lane, last, None, "events stand beyond the end of the lane");
        }
        Ok(())
    }

    async fn batch(
        &mut self,
        lane: i16,
        batch: &BatchRow,
        chain: &mut Chain,
    ) -> Result<(), LogError> {
        let count = batch.events.clamp(0, BATCH_EVENTS_MAX);
        let rows = pieces::events(self.pool, lane, batch.first, count).await;
        let events = self.found(lane, batch.first, rows)?.unwrap_or_default();
        let whole = events.len() as i64 == batch.events;
        if !whole {
            let found = events.len();
            let what = format!("the batch has {} events, {found} are there", batch.events);
            self.violate(lane, batch.first, None, what);
        }
        let mut sound = Vec::with_capacity(events.len());
        for (position, event) in events {
            match event {
                Ok(event) => sound.push(event),
                Err(LogError::Corrupted(what)) => self.violate(lane, position, None, what),
                Err(error) => return Err(error),
            }
        }
        let link = chain.link(&sound);
        if whole && sound.len() as i64 == batch.events && link.0[..] != batch.chain[..] {
            self.violate(lane, batch.first, None, "the chain is broken at this batch");
        }
        self.report.events += sound.len() as u64;
        self.report.batches += 1;
        // What follows is checked against what is stored, so that one break is one finding.
        if let Ok(stored) = batch.chain.as_slice().try_into() {
            *chain = Chain(stored);
        }
        Ok(())
    }

    /// The versions of each stream are dense, and in the order of their positions.
    async fn streams(&mut self, ends: &[LaneEnd]) -> Result<(), LogError> {
        let ends: HashMap<i16, i64> = ends.iter().map(|end| (end.lane, end.position)).collect();
        let (mut stream, mut version, mut position) = (i64::MIN, 0, 0);
        loop {
            let piece = pieces::versions(self.pool, stream, version).await?;
            for row in &piece.rows {
                let begins = row.stream != stream;
                let (version_before, position_before) =
                    if begins { (0, 0) } else { (version, position) };
                (stream, version, position) = (row.stream, row.version, row.position);
                if ends.get(&row.lane).is_none_or(|end| position > *end) {
                    continue;
                }
                self.report.streams += u64::from(begins);
                if version != version_before + 1 || position <= position_before {
                    let what =
                        format!("version {version} of stream {stream} follows {version_before}");
                    self.violate(row.lane, position, None, what);
                }
            }
            let Piece { ended, .. } = piece;
            if ended {
                return Ok(());
            }
        }
    }

    async fn names(&mut self) -> Result<(), LogError> {
        for name in pieces::streams_without_events(self.pool).await? {
            let name = String::from_utf8_lossy(&name).into_owned();
            self.violate(0, 0, StreamName::parse(&name), "a stream without events");
        }
        Ok(())
    }
}
