//! The feed: every committed event of every lane, in order, once, with the states around it.
//!
//! Writers offer what they have just committed, so that in the usual case nothing is read back. The
//! feed releases positions only without a gap; what is not offered in time (another instance wrote
//! it, or a writer went away) is read from the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{Event, EventLog, Lane, LogError, Position};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Engine, stored, write};

/// Events kept for readers that are a little behind; older ones are read from the log.
const RING_EVENTS_MAX: usize = 8_192;

/// Events read from the log at once.
const FILL_EVENTS_MAX: usize = 1_024;

/// How long the feed waits for a writer to offer what the log has committed already.
const OFFER_GRACE: Duration = Duration::from_millis(20);

/// How long the feed waits before it asks again a log that did not answer.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// A committed event with the aggregate before and after it.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) event: Event,
    pub(crate) before: Arc<Aggregate>,
    pub(crate) after: Arc<Aggregate>,
}

/// The feed of all lanes.
pub(crate) struct Feed {
    lanes: Vec<LaneFeed>,
}

struct LaneFeed {
    lane: Lane,
    ring: Mutex<Ring>,
    released: watch::Sender<Position>,
}

struct Ring {
    /// Position of the first slot.
    first: Position,
    slots: VecDeque<Option<Arc<Applied>>>,
    /// Everything up to here has been released.
    released: Position,
}

/// What a reader gets.
pub(crate) enum Read {
    /// Events right after the position asked for; empty if there are none yet.
    Events(Vec<Arc<Applied>>),
    /// The position lies before what is kept: read the log.
    Behind,
}

impl Feed {
    /// A feed that begins at the present end of each lane.
    pub(crate) fn new(log: &dyn EventLog) -> Self {
        let lane = |n| {
            let lane = Lane(n);
            let end = *log.tail(lane).borrow();
            LaneFeed {
                lane,
                ring: Mutex::new(Ring { first: end + 1, slots: VecDeque::new(), released: end }),
                released: watch::Sender::new(end),
            }
        };
        Self { lanes: (0..log.lanes()).map(lane).collect() }
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.lanes.iter().map(|l| l.lane)
    }

    /// Everything up to this position has been released.
    pub(crate) fn released(&self, lane: Lane) -> watch::Receiver<Position> {
        self.lane(lane).released.subscribe()
    }

    /// Offers what was just committed. Events of a lane may be offered in any order.
    pub(crate) fn offer(&self, events: Vec<Arc<Applied>>) {
        let mut released = None;
        for applied in events {
            let lane = self.lane(applied.event.lane);
            let mut ring = lane.ring.lock();
            ring.place(applied);
            if ring.release() {
                released = Some((lane, ring.released));
            }
        }
        if let Some((lane, position)) = released {
            lane.announce(position);
        }
    }

    /// Up to `limit` events after `after`.
    pub(crate) fn read(&self, lane: Lane, after: Position, limit: usize) -> Read {
        let ring = self.lane(lane).ring.lock();
        if after + 1 < ring.first {
            return Read::Behind;
        }
        let skip = (after + 1 - ring.first) as usize;
        let ready = (ring.released.saturating_sub(after) as usize).min(limit);
        Read::Events(ring.slots.iter().skip(skip).take(ready).flatten().cloned().collect())
    }

    fn lane(&self, lane: Lane) -> &LaneFeed {
        &self.lanes[usize::from(lane.0)]
    }
}

/// Keeps the feed moving until `stop`: reads from the log what nobody offers.
pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let fills = engine.feed.lanes.iter().map(|lane| lane.run(&engine));
    tokio::select! {
        () = stop.cancelled() => {}
        _ = futures::future::join_all(fills) => {}
    }
}

impl LaneFeed {
    fn announce(&self, position: Position) {
        self.released.send_if_modified(|released| {
            let newer = position > *released;
            *released = position.max(*released);
            newer
        });
    }

    async fn run(&self, engine: &Engine) {
        let mut committed = engine.log.tail(self.lane);
        let mut released = self.released.subscribe();
        loop {
            let end = *committed.borrow_and_update();
            while *released.borrow_and_update() < end {
                // A wake-up without progress in the grace time means that nobody will offer it.
                if tokio::time::timeout(OFFER_GRACE, released.changed()).await.is_err()
                    && let Err(error) = self.fill(engine).await
                {
                    tracing::warn!(%error, lane = self.lane.0, "the feed could not read the log");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
            if committed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reads the next events from the log and releases them. What is cached of their aggregates
    /// moves on with them.
    async fn fill(&self, engine: &Engine) -> Result<(), LogError> {
        let after = self.ring.lock().released;
        for event in engine.log.read_lane(self.lane, after, FILL_EVENTS_MAX).await? {
            let stream = event.stream.clone();
            let cached = engine.cache.peek(&stream);
            let before = match &cached {
                Some(entry) if entry.version + 1 == event.version => entry.value.clone(),
                _ => engine.history.state_at(&stream, event.version - 1).await?,
            };
            let applied = Arc::new(stored::apply(before, event)?);
            match cached {
                Some(_) => engine.cache.put(&stream, write::entry(&applied.after)),
                None => engine.cache.raise_floor(&stream, applied.after.version),
            };
            let position = {
                let mut ring = self.ring.lock();
                ring.place(applied);
                ring.release();
                ring.released
            };
            self.announce(position);
        }
        Ok(())
    }
}

impl Ring {
    fn place(&mut self, applied: Arc<Applied>) {
        let position = applied.event.position;
        if position <= self.released {
            return;
        }
        let at = (position - self.first) as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, None);
        }
        self.slots[at] = Some(applied);
    }

    /// Moves on over what is there without a gap. Says whether it moved.
    fn release(&mut self) -> bool {
        let before = self.released;
        let next = |ring: &Self| (ring.released + 1 - ring.first) as usize;
        while self.slots.get(next(self)).is_some_and(Option::is_some) {
            self.released += 1;
        }
        while self.slots.len() > RING_EVENTS_MAX && self.first <= self.released {
            self.slots.pop_front();
            self.first += 1;
        }
        self.released > before
    }
}
