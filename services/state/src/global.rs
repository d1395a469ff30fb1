//! The global state, folded along the log: each lane's part by itself, kept as a row of its own.

use std::collections::BTreeMap;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{Applied, REDUCER, Summary};
use gamemesh_domain::state::{Counts, GlobalFold};
use gamemesh_repository::{AggregateRow, Lane, LogError, Position};
use parking_lot::Mutex;
use prost::Message as _;

/// Category of the rows that keep the global state; not open to users.
const CATEGORY: &str = "_global";

#[derive(Debug, Default)]
pub(crate) struct Global {
    lanes: Mutex<BTreeMap<u16, Part>>,
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
        self.lanes.lock().values().fold(Part::default(), |mut total, part| {
            total.fold.merge(&part.fold);
            total.events += part.events;
            total.updated_us = total.updated_us.max(part.updated_us);
            total
        })
    }
}

impl Summary for Global {
    fn row_key(&self, lane: Lane) -> (&'static str, String) {
        (CATEGORY, format!("lane-{}", lane.0))
    }

    /// Positions are dense, so the number of events that were folded is the position.
    fn restore(&self, lane: Lane, row: &AggregateRow) -> Result<Position, LogError> {
        let stored = pb::StoredGlobal::decode(&*row.state)
            .map_err(|error| LogError::Corrupted(format!("the global state: {error}")))?;
        let fold = GlobalFold::restored(
            stored.players_by_status.into_iter().collect(),
            stored.matches_by_phase.into_iter().collect(),
            stored.aggregates_by_type.into_iter().collect(),
        );
        let part = Part { fold, events: row.version, updated_us: row.updated_us };
        self.lanes.lock().insert(lane.0, part);
        Ok(row.version)
    }

    fn apply(&self, lane: Lane, applied: &Applied) {
        let mut lanes = self.lanes.lock();
        let part = lanes.entry(lane.0).or_default();
        part.events += 1;
        part.updated_us = applied.event.time_us;
        let category = applied.event.stream.category();
        if !category.starts_with('_') {
            part.fold.apply(category, applied.before.present(), applied.after.present());
        }
    }

    fn row(&self, lane: Lane) -> AggregateRow {
        let part = self.lanes.lock().get(&lane.0).cloned().unwrap_or_default();
        let (category, key) = self.row_key(lane);
        AggregateRow {
            aggregate_type: category.to_owned(),
            id: key,
            version: part.events,
            deleted: false,
            created_us: 0,
            updated_us: part.updated_us,
            reducer: REDUCER,
            state: part.to_stored().encode_to_vec().into(),
        }
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
