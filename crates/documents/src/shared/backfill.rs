//! What had changed before this instance began: read once, so that values of the shared cache can be
//! proven soon after a start.

use gamemesh_repository::{Lane, LogError};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::Documents;

/// Events of each lane that are read.
const EVENTS_MAX: u64 = 8_192;

/// Events that are read at once.
const PAGE_EVENTS: u64 = 256;

/// Reads the end of each lane, newest first, until `stop`. A lane that cannot be read proves what it
/// can without.
pub(super) async fn run(documents: &Documents, shared: &Shared, stop: &CancellationToken) {
    for lane in documents.feed.lanes() {
        let read = tokio::select! {
            () = stop.cancelled() => return,
            read = fill(documents, shared, lane) => read,
        };
        if let Err(error) = read {
            tracing::warn!(%error, lane = lane.0, "what has changed lately could not be read");
        }
    }
}

async fn fill(documents: &Documents, shared: &Shared, lane: Lane) -> Result<(), LogError> {
    let changes = shared.changes(lane);
    let mut start = changes.start();
    let least = start.saturating_sub(EVENTS_MAX);
    while start > least {
        let after = start.saturating_sub(PAGE_EVENTS).max(least);
        let events = documents.log.read_lane(lane, after, (start - after) as usize).await?;
        let known = events.iter().map(|e| (e.stream.as_str(), e.position, e.version));
        if !changes.extend(start, after, known) {
            return Ok(());
        }
        start = after;
    }
    Ok(())
}
