//! Where the lanes end, as this instance knows it: its own commits at once, those of others by
//! reading the rows of the lanes.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use gamemesh_repository::{Lane, LogError, Position, TailObservation};
use parking_lot::Mutex;
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};

use crate::connect::{Connector, timely};
use crate::error::log_error;
use crate::local_runs::LocalRuns;

/// Between two observations however many ask for one.
const OBSERVE_MS_LEAST: u64 = 1;

/// Between two observations while others write.
const OBSERVE_MS_MIN: u64 = 5;

/// Between two observations while nobody else does: the time doubles up to this.
const OBSERVE_MS_MAX: u64 = 40;

/// Between two attempts to reach a server that is away.
const AWAY_MS: u64 = 250;

/// What is known of the end of each lane.
pub(crate) struct Tails {
    lanes: Vec<Tail>,
    wanted: Notify,
}

struct Tail {
    /// Only ever raised.
    position: watch::Sender<Position>,
    observed: watch::Sender<TailObservation>,
    local_runs: Mutex<LocalRuns>,
}

impl Tails {
    /// Of an observation that began at a time.
    pub(crate) fn new(at: Instant, positions: impl IntoIterator<Item = Position>) -> Self {
        let tail = |position| Tail {
            position: watch::Sender::new(position),
            observed: watch::Sender::new(TailObservation { at, position }),
            local_runs: Mutex::default(),
        };
        Self { lanes: positions.into_iter().map(tail).collect(), wanted: Notify::new() }
    }

    /// Asks for an observation that begins after this.
    pub(crate) fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// Whether the end had moved.
    pub(crate) fn raise(&self, lane: Lane, position: Position) -> bool {
        self.lane(lane).is_some_and(|tail| {
            tail.position.send_if_modified(|known| {
                let moved = position > *known;
                *known = position.max(*known);
                moved
            })
        })
    }

    /// A batch of this instance that would write these positions is about to be sent.
    pub(crate) fn begin(&self, lane: Lane, positions: RangeInclusive<Position>) {
        if let Some(tail) = self.lane(lane) {
            tail.local_runs.lock().begin(positions);
        }
    }

    /// It is known what has become of that batch.
    pub(crate) fn end(&self, lane: Lane, written: bool) {
        if let Some(tail) = self.lane(lane) {
            tail.local_runs.lock().end(written);
        }
    }

    /// The first positions after one that this instance has written, or is about to.
    pub(crate) fn local_runs(
        &self,
        lane: Lane,
        after: Position,
    ) -> Option<RangeInclusive<Position>> {
        self.lane(lane)?.local_runs.lock().after(after)
    }

    pub(crate) fn position(&self, lane: Lane) -> Position {
        self.lane(lane).map_or(0, |tail| *tail.position.borrow())
    }

    /// Where all lanes end, as far as is known.
    pub(crate) fn positions(&self) -> Vec<Position> {
        self.lanes.iter().map(|tail| *tail.position.borrow()).collect()
    }

    pub(crate) fn subscribe(&self, lane: Lane) -> watch::Receiver<Position> {
        match self.lane(lane) {
            Some(tail) => tail.position.subscribe(),
            None => watch::channel(0).1,
        }
    }

    pub(crate) fn observations(&self, lane: Lane) -> Option<watch::Receiver<TailObservation>> {
        self.lane(lane).map(|tail| tail.observed.subscribe())
    }

    /// Whether the end had moved.
    fn observe(&self, lane: Lane, observation: TailObservation) -> bool {
        // The tail first: whoever sees the observation finds a tail that is not before it.
        let moved = self.raise(lane, observation.position);
        if let Some(tail) = self.lane(lane) {
            tail.observed.send_replace(observation);
        }
        moved
    }

    fn lane(&self, lane: Lane) -> Option<&Tail> {
        self.lanes.get(usize::from(lane.0))
    }
}

/// Positions of all lanes, in order.
pub(crate) async fn positions(connection: &mut PgConnection) -> Result<Vec<Position>, LogError> {
    let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM lane ORDER BY lane")
        .fetch_all(connection)
        .await
        .map_err(log_error)?;
    Ok(positions.into_iter().map(|position| position as Position).collect())
}

/// Observes the lanes until it is ended. A server that is away is tried again: this is also what closes the
/// breaker when there is no other traffic.
pub(crate) async fn observe(connector: Connector, tails: std::sync::Arc<Tails>) {
    loop {
        if let Err(error) = observe_on_one(&connector, &tails).await {
            tracing::debug!(%error, "observing the lanes");
        }
        tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
    }
}

async fn observe_on_one(connector: &Connector, tails: &Tails) -> Result<(), LogError> {
    let mut connection = connector.connect().await?;
    let mut pause_ms = OBSERVE_MS_MIN;
    loop {
        let at = Instant::now();
        let reading = positions(&mut connection);
        let seen = timely(connector.reply_max, reading).await.and_then(|seen| seen);
        connector.record(&seen);
        let mut moved = false;
        for (lane, position) in (0..).map(Lane).zip(seen?) {
            moved |= tails.observe(lane, TailObservation { at, position });
        }
        pause_ms = if moved { OBSERVE_MS_MIN } else { (pause_ms * 2).min(OBSERVE_MS_MAX) };
        tokio::time::sleep(Duration::from_millis(OBSERVE_MS_LEAST)).await;
        let rest = Duration::from_millis(pause_ms - OBSERVE_MS_LEAST);
        // The next regular observation, or one that is asked for.
        let _ = tokio::time::timeout(rest, tails.wanted.notified()).await;
    }
}
