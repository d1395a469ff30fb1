//! The feed: every committed event of every lane, in order, once, with the states around it.
//!
//! Writers promise an offer when they send something to the log, and offer what has been committed, so
//! that in the usual case nothing is read back. The feed releases positions only without a gap; what
//! nobody has promised or offers in time (another instance wrote it) is taken from what that instance has
//! told, or read from the log.

mod told;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{
    Event, EventLog, Lane, LogError, Position, Sight, StreamName, seeded_defect,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::told::Told;
use super::sight::{LaneSight, Seen};
use super::{Engine, stored, write};

/// Events kept for readers that are a little behind; older ones are read from the log.
const RING_EVENTS_MAX: usize = 8_192;

/// Events read from the log at once.
const FILL_EVENTS_MAX: usize = 1_024;

/// How long the feed waits, while offers are promised, for that of what this instance has written. It
/// comes unless its writer never learned what became of the append; reading back what is about to come
/// would cost more than all the rest of a write.
const OFFER_GRACE: Duration = Duration::from_millis(250);

/// How long it waits meanwhile for what another instance has written: to be told of it costs less than
/// to read it. This is also how soon it looks again whose it is.
const NEWS_GRACE: Duration = Duration::from_millis(5);

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
    promised: Arc<AtomicUsize>,
}

/// Something is on its way to the log and will be offered, if it is committed, before this is dropped.
pub(crate) struct Promise(Arc<AtomicUsize>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct LaneFeed {
    lane: Lane,
    /// Absent where this instance is the sole writer.
    sight: Option<LaneSight>,
    ring: Mutex<Ring>,
    released: watch::Sender<Position>,
    told: Told,
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
                sight: log.sight(lane).map(LaneSight::new),
                ring: Mutex::new(Ring { first: end + 1, slots: VecDeque::new(), released: end }),
                released: watch::Sender::new(end),
                told: Told::default(),
            }
        };
        Self { lanes: (0..log.lanes()).map(lane).collect(), promised: Arc::default() }
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.lanes.iter().map(|l| l.lane)
    }

    /// Everything up to this position has been released.
    pub(crate) fn released(&self, lane: Lane) -> watch::Receiver<Position> {
        self.lane(lane).released.subscribe()
    }

    /// To be taken before the append is sent.
    pub(crate) fn promise(&self) -> Promise {
        self.promised.fetch_add(1, Ordering::AcqRel);
        Promise(self.promised.clone())
    }

    /// Everything up to here has been released by now.
    pub(crate) fn position(&self, lane: Lane) -> Position {
        *self.lane(lane).released.borrow()
    }

    /// Since when what is shown of a lane may be behind, where others write as well.
    pub(crate) fn seen(&self, lane: Lane) -> Seen {
        let lane = self.lane(lane);
        let released = *lane.released.borrow();
        lane.sight.as_ref().map_or(Seen::Unknown, |sight| sight.seen(released))
    }

    /// The looks at the end of a lane, where others write as well.
    pub(crate) fn looks(&self, lane: Lane) -> Option<watch::Receiver<Sight>> {
        self.lane(lane).sight.as_ref().map(LaneSight::looks)
    }

    /// Offers what was just committed. Events of a lane may be offered in any order.
    pub(crate) fn offer(&self, events: Vec<Arc<Applied>>) {
        let mut events = events.into_iter().peekable();
        while let Some(applied) = events.next() {
            let lane = self.lane(applied.event.lane);
            let released = {
                let mut ring = lane.ring.lock();
                ring.place(applied);
                while let Some(next) = events.next_if(|next| next.event.lane == lane.lane) {
                    ring.place(next);
                }
                ring.release().then_some(ring.released)
            };
            if let Some(position) = released {
                lane.announce(position);
            }
        }
    }

    /// Takes committed events of a lane that another instance tells of.
    pub(crate) fn tell(&self, lane: Lane, mut events: Vec<Event>) {
        let released = self.position(lane);
        events.retain(|event| event.position > released);
        if !events.is_empty() {
            self.lane(lane).told.add(events);
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

/// Keeps the feed moving until `stop`: takes what is told, reads from the log what nobody offers.
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
        if let Some(sight) = &self.sight {
            sight.seen(position);
        }
    }

    async fn run(&self, engine: &Engine) {
        let mut committed = engine.log.tail(self.lane);
        let mut released = self.released.subscribe();
        loop {
            let end = (*committed.borrow_and_update()).max(self.told.end());
            // Since when it stands at a gap. News of what lies beyond the gap does not fill it.
            let mut stands = None;
            while *released.borrow_and_update() < end {
                let before = *self.released.borrow();
                let told = self.told.next(before);
                let own = engine.log.own(self.lane, before);
                let others = own.map_or(Position::MAX, |own| *own.start() - before - 1);
                let grace = if others == 0 { OFFER_GRACE } else { NEWS_GRACE };
                let moved = if !told.is_empty() {
                    engine.metrics.fed("told", told.len());
                    self.show(engine, told).await
                } else if engine.feed.promised.load(Ordering::Acquire) > 0
                    && stands.get_or_insert_with(Instant::now).elapsed() < grace
                {
                    tokio::select! {
                        changed = tokio::time::timeout(NEWS_GRACE, released.changed()) => {
                            if changed.is_ok() {
                                stands = None;
                            }
                        }
                        () = self.told.news() => {}
                    }
                    continue;
                } else {
                    // What comes after the others' is offered, unless nobody has offered what is here.
                    let events = if others == 0 { Position::MAX } else { others };
                    self.fill(engine, events).await
                };
                stands = None;
                if let Err(error) = moved {
                    tracing::warn!(%error, lane = self.lane.0, "the feed could not read the log");
                    tokio::time::sleep(RETRY_DELAY).await;
                } else if *self.released.borrow() == before {
                    // The log does not have what was told: an older copy has taken its place.
                    tokio::time::sleep(NEWS_GRACE).await;
                }
            }
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { return },
                () = self.told.news() => {}
            }
        }
    }

    /// Reads the next events, at most so many, from the log and releases them.
    async fn fill(&self, engine: &Engine, events_max: Position) -> Result<(), LogError> {
        let after = self.ring.lock().released;
        let limit = events_max.min(FILL_EVENTS_MAX as Position) as usize;
        let events = engine.log.read_lane(self.lane, after, limit).await?;
        engine.metrics.fed("read", events.len());
        self.show(engine, events).await
    }

    /// Releases events that come next. Their aggregates are cached: who has just been written is likely
    /// to be written again, and then folds on from here.
    async fn show(&self, engine: &Engine, events: Vec<Event>) -> Result<(), LogError> {
        // The cache may be ahead of an event, or too small to hold on to its aggregate.
        let mut reached: HashMap<StreamName, Arc<Aggregate>> = HashMap::new();
        for event in events {
            let stream = event.stream.clone();
            let precedes = |aggregate: &Arc<Aggregate>| aggregate.version + 1 == event.version;
            let cached = || engine.cache.peek(&stream).map(|entry| entry.value);
            let before = match reached.remove(&stream).or_else(cached).filter(precedes) {
                Some(before) => before,
                None => engine.history.state_at(&stream, event.version - 1).await?,
            };
            let applied = Arc::new(stored::apply(before, event)?);
            if let Some(shared) = &engine.shared {
                let Event { lane, position, version, .. } = applied.event;
                shared.note(&stream, lane, position, version);
            }
            if !seeded_defect("cache.feed") {
                let position = applied.event.position;
                let is_newest = || !self.ring.lock().is_overtaken(&stream, position);
                engine.cache.put_if(&stream, write::entry(&applied.after), is_newest);
            }
            reached.insert(stream, applied.after.clone());
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

    /// Whether a later event of this stream has been offered: then the cache may have had what follows from it,
    /// and must not have less.
    fn is_overtaken(&self, stream: &StreamName, position: Position) -> bool {
        let later = (position + 1).saturating_sub(self.first) as usize;
        let mut later = self.slots.iter().skip(later).flatten();
        later.any(|applied| applied.event.stream == *stream)
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

#[cfg(test)]
pub(super) mod tests;
