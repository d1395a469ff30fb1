//! The relay of a log.
//!
//! For a moment two instances may publish the same events side by side. That is harmless: each goes up by
//! one from where everything is acknowledged, so what a reader sees first is in order, and the rest is what
//! he has seen already.

mod lane;

use std::sync::Arc;
use std::time::Duration;

use gamemesh_bus::{PublishError, Publisher};
use gamemesh_feed::{Entry, Feed};
use gamemesh_repository::{Cursors, EventLog, LogError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lane::LaneRelay;
use crate::message::Framing;
use crate::{Encoder, OutboxMetrics};

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

/// Brings the events of a log to the bus.
pub struct Relay<E, C> {
    pub log: Arc<dyn EventLog>,
    pub feed: Arc<Feed<E>>,
    /// Where the cursor is kept.
    pub cursors: Arc<dyn Cursors>,
    pub bus: Arc<dyn Publisher>,
    pub encoder: C,
    pub metrics: OutboxMetrics,
}

/// Why a lane is no longer relayed.
#[derive(Debug)]
enum Ended {
    Stopped,
    /// Nobody reads the topic any more.
    Unsubscribed,
    /// A reader needs earlier events.
    Rewound,
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

impl<E: Entry, C: Encoder> Relay<E, C> {
    /// Relays every lane until `stop`. A panic in one lane ends all.
    pub async fn run(self, stop: CancellationToken) {
        let framing = Arc::new(Framing::new(self.log.incarnation()));
        let (feed, relay) = (self.feed.clone(), Arc::new(self));
        let mut lanes = JoinSet::new();
        for lane in feed.lanes() {
            let relay = LaneRelay::new(relay.clone(), framing.clone(), lane);
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
}
