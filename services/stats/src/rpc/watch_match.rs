use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::Name;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::stack;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::parse;
use crate::convert::{stats, time};
use crate::engine::Engine;
use crate::engine::cells::Cell;

const INTERVAL_MIN: Duration = Duration::from_millis(20);
const INTERVAL_MAX: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(250);

/// The newest version, then each newer one; what comes faster than the interval is left out, so that a
/// slow reader is never behind by more than one message.
#[expect(clippy::needless_pass_by_value, reason = "a handler takes the request as it came")]
pub(super) fn handle(
    engine: Arc<Engine>,
    request: pb::WatchMatchRequest,
    last_event_id: Option<String>,
    draining: CancellationToken,
) -> Result<impl Stream<Item = Result<pb::WatchMatchResponse>> + Send> {
    let id = parse::match_id(&request.match_id)?;
    let interval = match &request.interval {
        None => INTERVAL,
        Some(interval) => time::from_duration("interval", interval, INTERVAL_MIN, INTERVAL_MAX)?,
    };
    let after = match last_event_id.and_then(|id| id.parse().ok()) {
        Some(seen) => seen,
        None => u64::try_from(request.after_version)
            .map_err(|_| Error::invalid("afterVersion", "accepts 0 and more"))?,
    };
    Ok(async_stream::try_stream! {
        let mut open = Open::new(engine.clone(), id.clone());
        let mut seen = after;
        loop {
            let is_draining = tokio::select! {
                changed = open.versions.wait_for(|version| *version > seen) => changed.is_err(),
                () = draining.cancelled() => true,
            };
            if is_draining {
                Err(stack::draining())?;
            }
            let view = engine.view(id.as_str(), None).await?;
            if view.version() > seen {
                seen = view.version();
                yield pb::WatchMatchResponse { r#match: Some(stats::match_stats(&view)) };
            }
            tokio::time::sleep(interval).await;
        }
    })
}

/// A watch, for as long as it is open.
struct Open {
    engine: Arc<Engine>,
    id: Name,
    /// Shared with the watch alone, so that it can be let go first.
    cell: Option<Arc<Cell>>,
    versions: watch::Receiver<u64>,
}

impl Open {
    fn new(engine: Arc<Engine>, id: Name) -> Self {
        engine.metrics.watchers.inc();
        let cell = engine.cells.get_or_insert(&id);
        let versions = cell.versions();
        Self { engine, id, cell: Some(cell), versions }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.engine.metrics.watchers.dec();
        self.cell = None;
        self.engine.cells.forget_unused(self.id.as_str());
    }
}
