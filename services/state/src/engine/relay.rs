//! The relay: brings every event of the log to the bus, lane by lane, in order, at least once.
//!
//! The log is the outbox, so a write pays nothing for it. A cursor in the store, saved only behind
//! what the bus has acknowledged, says how far a lane is; after a crash the events behind it are
//! published again. The cursor is a fence too: of several instances the one whose save succeeds goes
//! on, the others stand by until it does not move although there is something to do.
//!
//! Two relays that publish the same events side by side, for a moment, are no danger: each goes up
//! by one from where everything is acknowledged, so whatever a reader sees first is in order, and the
//! rest is what he has seen already.

mod lane;
mod message;

use std::sync::Arc;
use std::time::Duration;

use gamemesh_bus::{PublishError, Publisher};
use gamemesh_repository::LogError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lane::LaneRelay;
use super::Engine;

/// Batches of a lane that are handed over and not yet acknowledged: what the relay holds in memory.
const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// Events of one batch.
const BATCH_EVENTS_MAX: usize = 2_000;

/// What a batch should come to, in bytes. The number of events that are read follows it, since only
/// what is read shows its size.
const BATCH_BYTES: usize = 512 << 10;

/// Events that are read before anything is known of their size.
const BATCH_EVENTS_FIRST: usize = 16;

/// Events that may be published beyond the saved cursor: what a crash repeats, at most.
const UNSAVED_EVENTS_MAX: u64 = 10_000;

/// How long what is acknowledged may wait for its cursor to be saved, unless it is half of those.
const CURSOR_DELAY: Duration = Duration::from_millis(50);

/// A cursor that stands still for so long, and up to twice as long, with events behind it, has lost
/// its relay.
const TAKEOVER: Duration = Duration::from_secs(2);

/// How long to wait before trying again what has failed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// How long a process that stops waits for acknowledgements; what is left goes on from the cursor.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// Why a lane is no longer relayed.
#[derive(Debug)]
enum Ended {
    Stopped,
    /// Nobody listens any more.
    Unwanted,
    /// Another instance has moved the cursor.
    Fenced,
    Failed(Failure),
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the bus: {0}")]
    Bus(#[from] PublishError),
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn run(engine: Arc<Engine>, bus: Arc<dyn Publisher>, stop: CancellationToken) {
    let mut lanes = JoinSet::new();
    for lane in engine.feed.lanes() {
        let relay = LaneRelay::new(engine.clone(), bus.clone(), lane);
        let stop = stop.clone();
        lanes.spawn(async move {
            tokio::select! {
                () = relay.run(&stop) => {}
                () = async { stop.cancelled().await; tokio::time::sleep(DRAIN_MAX).await } => {
                    tracing::info!(lane = lane.0, "events are left for the relay's next start");
                }
            }
        });
    }
    lanes.join_all().await;
}
