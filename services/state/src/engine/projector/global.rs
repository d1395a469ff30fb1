//! The global state, by lane: each lane's part is folded and kept by itself.

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::state::{Counts, GlobalFold};
use gamemesh_repository::{AggregateRow, Lane, LogError, Position};
use prost::Message as _;

use super::super::applied::Applied;
use super::super::history::REDUCER;

/// Category of the rows that keep the global state; not open to users.
pub(super) const CATEGORY: &str = "_global";

/// Key of the row of one lane.
pub(super) fn key(lane: Lane) -> String {
    format!("lane-{}", lane.0)
}

#[derive(Debug, Default)]
pub(crate) struct Global {
    lanes: BTreeMap<u16, Part>,
}

/// What has been folded of one lane, or of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) fold: GlobalFold,
    pub(crate) events: u64,
    pub(crate) updated_us: i64,
}

impl Global {
    /// All lanes together.
    pub(crate) fn total(&self) -> Part {
        self.lanes.values().fold(Part::default(), |mut total, part| {
            total.fold.merge(&part.fold);
            total.events += part.events;
            total.updated_us = total.updated_us.max(part.updated_us);
            total
        })
    }

    pub(super) fn apply(&mut self, lane: Lane, applied: &Applied) {
        let part = self.lanes.entry(lane.0).or_default();
        part.events += 1;
        part.updated_us = applied.event.time_us;
        let category = applied.event.stream.category();
        if !category.starts_with('_') {
            part.fold.apply(category, applied.before.present(), applied.after.present());
        }
    }

    /// The row that keeps one lane's part.
    pub(super) fn row(&self, lane: Lane) -> AggregateRow {
        let part = self.lanes.get(&lane.0).cloned().unwrap_or_default();
        AggregateRow {
            aggregate_type: CATEGORY.to_owned(),
            id: key(lane),
            version: part.events,
            deleted: false,
            created_us: 0,
            updated_us: part.updated_us,
            reducer: REDUCER,
            state: part.to_stored().encode_to_vec().into(),
        }
    }

    /// Takes one lane's part from its row, and says up to which position it was folded: positions are
    /// dense, so that is the number of its events.
    pub(super) fn restore(&mut self, lane: Lane, row: &AggregateRow) -> Result<Position, LogError> {
        let stored = pb::StoredGlobal::decode(&*row.state)
            .map_err(|error| LogError::Corrupted(format!("the global state: {error}")))?;
        let fold = GlobalFold::restored(
            stored.players_by_status.into_iter().collect(),
            stored.matches_by_phase.into_iter().collect(),
            stored.aggregates_by_type.into_iter().collect(),
        );
        let part = Part { fold, events: row.version, updated_us: row.updated_us };
        self.lanes.insert(lane.0, part);
        Ok(row.version)
    }
}

impl Part {
    fn to_stored(&self) -> pb::StoredGlobal {
        let owned = |counts: &Counts| counts.iter().map(|(n, c)| (n.to_owned(), c)).collect();
        pb::StoredGlobal {
            players_by_status: owned(self.fold.players_by_status()),
            matches_by_phase: owned(self.fold.matches_by_phase()),
            aggregates_by_type: owned(self.fold.aggregates_by_type()),
        }
    }
}
