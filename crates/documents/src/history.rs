//! States of the past and of the present, folded from snapshots and events.

mod newest;

use std::sync::Arc;

use gamemesh_domain::document::{Aggregate, OwnStep};
use gamemesh_repository::{
    AggregateRow, Direction, DocumentTables, EventLog, LogError, Snapshot, Snapshots, StreamName,
    Version,
};

pub(crate) use self::newest::Folding;
use crate::encoding;

/// Names this reducer. Snapshots and rows of another one are not used but rebuilt; it changes
/// whenever the same events would fold to another state.
pub const REDUCER: u64 = 1;

/// A snapshot is kept at every multiple of this version, so that any version is at most this many
/// events away from one.
pub(crate) const SNAPSHOT_INTERVAL: Version = 256;

/// Events read at once while folding.
const FOLD_EVENTS_MAX: usize = 1_024;

/// Folds streams of changes into documents.
#[derive(Clone)]
pub struct History {
    log: Arc<dyn EventLog>,
    snapshots: Arc<dyn Snapshots>,
    documents: Arc<dyn DocumentTables>,
}

impl History {
    pub(crate) fn new(
        log: Arc<dyn EventLog>,
        snapshots: Arc<dyn Snapshots>,
        documents: Arc<dyn DocumentTables>,
    ) -> Self {
        Self { log, snapshots, documents }
    }

    /// The aggregate as a row of its table has it, or as the log has it if the row is of no use.
    pub async fn of_row(
        &self,
        stream: &StreamName,
        row: &AggregateRow,
    ) -> Result<Arc<Aggregate>, LogError> {
        match decode_row(stream, row) {
            Some(aggregate) => Ok(Arc::new(aggregate)),
            None => self.newest(stream).await,
        }
    }

    /// The aggregate after its first `version` events, of which all must exist.
    pub async fn state_at(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Arc<Aggregate>, LogError> {
        let base = self.base_below(stream, version).await?;
        let folded = self.fold(stream, base, version).await?;
        if folded.version == version {
            Ok(Arc::new(folded))
        } else {
            Err(LogError::Corrupted(format!(
                "{stream} ends at version {}, before {version}",
                folded.version
            )))
        }
    }

    /// The events of these versions, which ascend, each with the states around it.
    pub async fn steps(
        &self,
        stream: &StreamName,
        versions: &[Version],
    ) -> Result<Vec<OwnStep>, LogError> {
        let mut steps = Vec::with_capacity(versions.len());
        // What lies close together is folded on; across a wider gap a snapshot is nearer.
        for run in versions.chunk_by(|a, b| b - a <= SNAPSHOT_INTERVAL) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let mut reached = Aggregate::clone(&*self.state_at(stream, first - 1).await?);
            while reached.version < *last {
                let left = usize::try_from(last - reached.version).unwrap_or(usize::MAX);
                let (from, limit) = (reached.version + 1, left.min(FOLD_EVENTS_MAX));
                let events = self.log.read_stream(stream, from, limit, Direction::Forward).await?;
                if events.is_empty() {
                    let what = format!("{stream} ends at version {}, before {last}", from - 1);
                    return Err(LogError::Corrupted(what));
                }
                for event in &events {
                    let is_wanted = run.binary_search(&event.version).is_ok();
                    let before = is_wanted.then(|| reached.state.clone());
                    encoding::fold(&mut reached, event)?;
                    steps.extend(before.map(|before| OwnStep {
                        version: event.version,
                        before,
                        after: reached.state.clone(),
                    }));
                }
            }
        }
        Ok(steps)
    }

    /// Keeps a snapshot.
    pub(crate) async fn keep_snapshot(
        &self,
        stream: &StreamName,
        aggregate: &Aggregate,
    ) -> Result<(), LogError> {
        self.snapshots
            .put_snapshot(Snapshot {
                stream: stream.clone(),
                version: aggregate.version,
                reducer: REDUCER,
                time_us: aggregate.updated_at_us,
                state: encoding::encode_folded(aggregate),
            })
            .await
    }

    /// Whether folding from the first event gives this state.
    pub(crate) async fn audit(
        &self,
        stream: &StreamName,
        aggregate: &Aggregate,
    ) -> Result<bool, LogError> {
        let folded = self.fold(stream, Aggregate::default(), aggregate.version).await?;
        Ok(folded == *aggregate)
    }

    /// The newest snapshot at or below a version, or the empty aggregate.
    async fn base_below(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Aggregate, LogError> {
        let needed = version == Version::MAX || version > SNAPSHOT_INTERVAL;
        let snapshot = match needed {
            true => self.snapshots.snapshot_at(stream, version, REDUCER).await?,
            false => None,
        };
        decode_snapshot(snapshot)
    }

    /// Folds the events after `base`, up to a version or to the end.
    async fn fold(
        &self,
        stream: &StreamName,
        base: Aggregate,
        to: Version,
    ) -> Result<Aggregate, LogError> {
        let mut aggregate = base;
        while aggregate.version < to {
            let left = usize::try_from(to - aggregate.version).unwrap_or(usize::MAX);
            let limit = left.min(FOLD_EVENTS_MAX);
            let events = self
                .log
                .read_stream(stream, aggregate.version + 1, limit, Direction::Forward)
                .await?;
            for event in &events {
                encoding::fold(&mut aggregate, event)?;
            }
            if events.len() < limit {
                break;
            }
        }
        Ok(aggregate)
    }
}

/// The aggregate of a snapshot; the empty one if there is none.
fn decode_snapshot(snapshot: Option<Snapshot>) -> Result<Aggregate, LogError> {
    snapshot.map_or_else(
        || Ok(Aggregate::default()),
        |snapshot| encoding::decode_folded(&snapshot.state, snapshot.version),
    )
}

/// The aggregate of a row; `None` if the row is another reducer's, or damaged: the truth is in the log.
pub(crate) fn decode_row(stream: &StreamName, row: &AggregateRow) -> Option<Aggregate> {
    if row.reducer != REDUCER {
        return None;
    }
    encoding::decode_folded(&row.state, row.version)
        .inspect_err(|error| tracing::warn!(%stream, %error, "a row is damaged; folding anew"))
        .ok()
}
