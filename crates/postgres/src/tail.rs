//! Where the lanes end, as this instance knows it: its own commits at once, those of others by
//! looking at the rows of the lanes.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use gamemesh_repository::{Lane, LogError, Position, Sight};
use parking_lot::Mutex;
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};

use crate::connect::{Connector, timely};
use crate::error::log_error;
use crate::own::Own;

/// Between two looks however many ask for one.
const LOOK_MS_LEAST: u64 = 1;

/// Between two looks while others write.
const LOOK_MS_MIN: u64 = 5;

/// Between two looks while nobody else does: the time doubles up to this.
const LOOK_MS_MAX: u64 = 40;

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
    sight: watch::Sender<Sight>,
    own: Mutex<Own>,
}

impl Tails {
    /// Of a look that began at a time.
    pub(crate) fn new(at: Instant, positions: impl IntoIterator<Item = Position>) -> Self {
        let tail = |position| Tail {
            position: watch::Sender::new(position),
            sight: watch::Sender::new(Sight { at, position }),
            own: Mutex::default(),
        };
        Self { lanes: positions.into_iter().map(tail).collect(), wanted: Notify::new() }
    }

    /// Asks for a look that begins after this.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Whether that was news.
    pub(crate) fn raise(&self, lane: Lane, position: Position) -> bool {
        self.lane(lane).is_some_and(|tail| {
            tail.position.send_if_modified(|known| {
                let news = position > *known;
                *known = position.max(*known);
                news
            })
        })
    }

    /// A batch of this instance that would write these positions is about to be sent.
    pub(crate) fn begin(&self, lane: Lane, positions: RangeInclusive<Position>) {
        if let Some(tail) = self.lane(lane) {
            tail.own.lock().begin(positions);
        }
    }

    /// It is known what has become of that batch.
    pub(crate) fn end(&self, lane: Lane, written: bool) {
        if let Some(tail) = self.lane(lane) {
            tail.own.lock().end(written);
        }
    }

    /// The first positions after one that this instance has written, or is about to.
    pub(crate) fn own(&self, lane: Lane, after: Position) -> Option<RangeInclusive<Position>> {
        self.lane(lane)?.own.lock().after(after)
    }

    pub(crate) fn subscribe(&self, lane: Lane) -> watch::Receiver<Position> {
        match self.lane(lane) {
            Some(tail) => tail.position.subscribe(),
            None => watch::channel(0).1,
        }
    }

    pub(crate) fn sight(&self, lane: Lane) -> Option<watch::Receiver<Sight>> {
        self.lane(lane).map(|tail| tail.sight.subscribe())
    }

    /// Whether that was news.
    fn sighted(&self, lane: Lane, sight: Sight) -> bool {
        // The tail first: whoever sees the sight finds a tail that is not before it.
        let news = self.raise(lane, sight.position);
        if let Some(tail) = self.lane(lane) {
            tail.sight.send_replace(sight);
        }
        news
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

/// Looks until it is ended. A server that is away is tried again: this is also what closes the
/// breaker when there is no other traffic.
pub(crate) async fn look(connector: Connector, tails: std::sync::Arc<Tails>) {
    loop {
        if let Err(error) = look_on_one(&connector, &tails).await {
            tracing::debug!(%error, "looking at the lanes");
        }
        tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
    }
}

async fn look_on_one(connector: &Connector, tails: &Tails) -> Result<(), LogError> {
    let mut connection = connector.connect().await?;
    let mut pause_ms = LOOK_MS_MIN;
    loop {
        let at = Instant::now();
        let looking = positions(&mut connection);
        let seen = timely(connector.reply_max, looking).await.and_then(|seen| seen);
        connector.note(&seen);
        let mut news = false;
        for (lane, position) in (0..).map(Lane).zip(seen?) {
            news |= tails.sighted(lane, Sight { at, position });
        }
        pause_ms = if news { LOOK_MS_MIN } else { (pause_ms * 2).min(LOOK_MS_MAX) };
        tokio::time::sleep(Duration::from_millis(LOOK_MS_LEAST)).await;
        let rest = Duration::from_millis(pause_ms - LOOK_MS_LEAST);
        // The next regular look, or a wanted one.
        let _ = tokio::time::timeout(rest, tails.wanted.notified()).await;
    }
}
