//! A match in its shard: what was counted, what of it readers see, and what of it is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_domain::stats::{Cause, Figure, Match, MatchView};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{Lane, MatchStatsRow, Position};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::held::Held;
use crate::engine::archive;
use crate::engine::cells::Cell;

/// A match that grows is kept when it has grown by half and so many events: all its writes together are
/// a few times its size.
const UNKEPT_EVENTS_MIN: u64 = 1_000;

/// A match that nothing comes for is kept after this, and comes to rest.
const QUIET: Duration = Duration::from_secs(2);

/// A larger match does not come to rest: to fold it again would hold others up.
const REST_EVENTS_MAX: u64 = 50_000;

/// A match that has not ended leaves the memory when nothing came for so many times as long.
const PATIENCE: u32 = 6;

pub(super) struct Slot {
    held: Held,
    pub(super) lane: Lane,
    cell: Arc<Cell>,
    refolds: u64,
    bytes: u64,
    changed_at: Instant,
    /// Version and position of the first block that is not in the tables.
    kept_version: u64,
    unkept_from: Option<Position>,
    /// On its way to the tables: the version, and from where it is unkept if that fails.
    under_way: Option<(u64, Position)>,
}

impl Slot {
    pub(super) fn new(counted: Match, cell: Arc<Cell>, lane: Lane) -> Self {
        Self {
            held: Held::new(counted),
            lane,
            cell,
            refolds: 0,
            bytes: 0,
            changed_at: Instant::now(),
            kept_version: 0,
            unkept_from: None,
            under_way: None,
        }
    }

    /// From the tables.
    pub(super) fn recalled(counted: Match, cell: Arc<Cell>, lane: Lane) -> Self {
        let kept_version = counted.version();
        cell.counted(kept_version);
        Self { kept_version, ..Self::new(counted, cell, lane) }
    }

    /// More was counted, from a block at this position.
    pub(super) fn changed(&mut self, position: Position) {
        self.cell.counted(self.held.version());
        self.changed_at = Instant::now();
        self.unkept_from.get_or_insert(position);
    }

    /// The match, to count and to be looked at.
    pub(super) fn counted(&mut self) -> &mut Match {
        self.held.awake()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.cell.is_watched()
    }

    pub(super) fn publish(&mut self) -> Arc<MatchView> {
        if let Some(view) = self.cell.at_hand(None) {
            return view;
        }
        let view = Arc::new(self.counted().view());
        self.cell.publish(view.clone());
        view
    }

    pub(super) fn view(&mut self, version: Option<u64>) -> Result<Arc<MatchView>> {
        match version {
            Some(0) => Err(Error::invalid("asOfVersion", "accepts 1 and more")),
            Some(version) => Ok(Arc::new(self.counted().view_at(version)?)),
            None => Ok(self.publish()),
        }
    }

    pub(super) fn explain(&mut self, player: &str, figures: &[Figure]) -> Vec<Cause> {
        self.counted().explain(player, figures)
    }

    /// Brings the service's figures up to date with those of the match.
    pub(super) fn measure(&mut self, refolds: &Counter, memory: &AtomicU64) {
        if let Held::Awake(counted) = &self.held {
            let now = counted.refolds();
            refolds.inc_by(now - std::mem::replace(&mut self.refolds, now));
        }
        self.weigh(memory);
    }

    fn weigh(&mut self, memory: &AtomicU64) {
        let bytes = self.held.bytes() as u64;
        memory.fetch_add(bytes, Ordering::Relaxed);
        memory.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }

    /// A match that nobody tells of and nobody asks for takes as little room as it can.
    pub(super) fn rest_if_quiet(&mut self, memory: &AtomicU64) {
        let is_quiet = self.held.version() <= REST_EVENTS_MAX
            && self.changed_at.elapsed() > QUIET
            && !self.is_watched()
            && self.cell.is_stale(QUIET);
        if is_quiet && self.held.rest() {
            self.cell.rest();
            self.weigh(memory);
        }
    }

    /// Whether its rows shall go to the tables now.
    pub(super) fn is_due(&mut self, all: bool) -> bool {
        if self.unkept_from.is_none() || self.under_way.is_some() {
            return false;
        }
        let unkept = self.held.version() - self.kept_version;
        all || unkept > UNKEPT_EVENTS_MIN.max(self.kept_version / 2)
            || self.changed_at.elapsed() > QUIET
    }

    /// The match for the tables.
    pub(super) fn row(&mut self) -> Option<MatchStatsRow> {
        let row = match &self.held {
            // It goes on resting.
            Held::Resting(resting) => {
                let mut woken = resting.wake();
                let view = woken.view();
                archive::row(&mut woken, &view, self.lane)?
            }
            Held::Awake(_) => {
                let view = self.publish();
                archive::row(self.held.awake(), &view, self.lane)?
            }
        };
        self.under_way = self.unkept_from.take().map(|from| (row.version, from));
        Some(row)
    }

    /// What became of the row.
    pub(super) fn kept(&mut self, version: u64, is_kept: bool) {
        let Some((_, from)) = self.under_way.take_if(|(of, _)| *of == version) else { return };
        if is_kept {
            self.kept_version = version;
        } else {
            self.unkept_from = Some(from);
        }
    }

    /// The first block whose events are not in the tables, those that are just being written left aside.
    pub(super) fn unkept_from(&self) -> Option<Position> {
        let under_way = self.under_way.map(|(_, from)| from);
        [under_way, self.unkept_from].into_iter().flatten().min()
    }

    /// Whether it need not be in memory any more.
    pub(super) fn is_over(&self, evict_after: Duration) -> bool {
        let quiet = self.changed_at.elapsed();
        let ended = !self.cell.goes_on();
        self.unkept_from().is_none()
            && !self.is_watched()
            && quiet > if ended { evict_after } else { evict_after * PATIENCE }
    }

    /// It leaves the memory.
    pub(super) fn evicted(&self, memory: &AtomicU64) {
        self.cell.evict();
        memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
