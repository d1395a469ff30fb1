//! The feed: every committed event of every lane, in order, once, with what the service adds to it.
//!
//! A writer opens an offer before it sends something to the log and offers the entries once they are
//! committed, so that in the usual case nothing is read back. The feed releases positions only without a
//! gap. An event that another instance wrote is taken from what that instance has pushed, or read from the
//! log.

mod lane;
mod remote;
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gamemesh_repository::{Event, EventLog, Lane, LogError, Position, TailObservation};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::lane::LaneFeed;
pub use self::lane::Releaser;
use crate::metrics::Source;
use crate::watermarks::RemoteWatermarks;
use crate::{FeedMetrics, Staleness};

/// What readers of the feed get: a committed event, and what the service adds to it.
pub trait Entry: Send + Sync + 'static {
    fn event(&self) -> &Event;
}

impl Entry for Event {
    fn event(&self) -> &Event {
        self
    }
}

/// Makes entries of events that this process has not offered.
pub trait Enrich: Send + Sync {
    type Entry: Entry;

    /// Releases an entry for each of these events, which come next in their lane, in their order. After an
    /// error the feed asks again for those that were not released.
    fn enrich(
        &self,
        events: Vec<Event>,
        releaser: &Releaser<'_, Self::Entry>,
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// Adds nothing: readers get the events as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unchanged;

impl Enrich for Unchanged {
    type Entry = Event;

    async fn enrich(
        &self,
        events: Vec<Event>,
        releaser: &Releaser<'_, Event>,
    ) -> Result<(), LogError> {
        events.into_iter().for_each(|event| releaser.release(Arc::new(event)));
        Ok(())
    }
}

/// The feed of all lanes of a log.
pub struct Feed<E> {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) watermarks: RemoteWatermarks,
    lanes: Vec<LaneFeed<E>>,
    open_offers: Arc<AtomicUsize>,
    metrics: FeedMetrics,
}

/// Something is on its way to the log and will be offered, if it is committed, before this is dropped.
pub struct OfferGuard(Arc<AtomicUsize>);

impl Drop for OfferGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a reader gets.
pub enum Read<E> {
    /// Entries right after the position asked for; empty if there are none yet.
    Events(Vec<Arc<E>>),
    /// The position lies before what is kept: read the log.
    Behind,
}

impl<E: Entry> Feed<E> {
    /// A feed that begins at the present end of each lane.
    pub fn new(log: Arc<dyn EventLog>, metrics: FeedMetrics) -> Self {
        let lanes = (0..log.lanes()).map(|lane| LaneFeed::new(&*log, Lane(lane))).collect();
        let watermarks = RemoteWatermarks::new(log.lanes());
        Self { log, watermarks, lanes, open_offers: Arc::default(), metrics }
    }

    pub fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.lanes.iter().map(|l| l.lane)
    }

    /// The position up to which everything has been released, and every later one.
    pub fn released(&self, lane: Lane) -> watch::Receiver<Position> {
        self.lane(lane).released.subscribe()
    }

    /// The position up to which everything has been released by now.
    pub fn position(&self, lane: Lane) -> Position {
        *self.lane(lane).released.borrow()
    }

    /// How old what is shown of a lane may be, where others write as well.
    pub fn staleness(&self, lane: Lane) -> Staleness {
        let lane = self.lane(lane);
        let released = *lane.released.borrow();
        lane.tracker.as_ref().map_or(Staleness::Unknown, |tracker| tracker.staleness(released))
    }

    /// What the log has observed of the end of a lane, where others write as well.
    pub fn tail_observations(&self, lane: Lane) -> Option<watch::Receiver<TailObservation>> {
        self.lane(lane).tracker.as_ref().map(|tracker| tracker.observations())
    }

    /// To be taken before an append is sent whose events will be offered.
    pub fn open_offer(&self) -> OfferGuard {
        self.open_offers.fetch_add(1, Ordering::AcqRel);
        OfferGuard(self.open_offers.clone())
    }

    /// Offers what was just committed. Events of a lane may be offered in any order.
    pub fn offer(&self, entries: Vec<Arc<E>>) {
        self.metrics.count(Source::Offered, entries.len());
        let mut entries = entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            let lane = self.lane(entry.event().lane);
            let released = {
                let mut ring = lane.ring.lock();
                ring.place(entry);
                while let Some(next) = entries.next_if(|next| next.event().lane == lane.lane) {
                    ring.place(next);
                }
                ring.release().then_some(ring.released())
            };
            if let Some(position) = released {
                lane.announce(position);
            }
        }
    }

    /// Takes committed events of a lane that another instance has pushed.
    pub fn push_remote(&self, lane: Lane, mut events: Vec<Event>) {
        let released = self.position(lane);
        events.retain(|event| event.position > released);
        let Some(last) = events.iter().map(|event| event.position).max() else { return };
        self.log.know(&events);
        self.watermarks.raise(lane, last);
        self.lane(lane).remote.push(events);
    }

    /// Up to `limit` entries after `after`.
    pub fn read(&self, lane: Lane, after: Position, limit: usize) -> Read<E> {
        self.lane(lane).ring.lock().read(after, limit)
    }

    /// Keeps the feed moving until `stop`.
    pub async fn run<R: Enrich<Entry = E>>(&self, enricher: &R, stop: CancellationToken) {
        let lanes = self.lanes.iter().map(|lane| lane.run(self, enricher));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = futures::future::join_all(lanes) => {}
        }
    }

    fn has_open_offers(&self) -> bool {
        self.open_offers.load(Ordering::Acquire) > 0
    }

    fn lane(&self, lane: Lane) -> &LaneFeed<E> {
        &self.lanes[usize::from(lane.0)]
    }
}

#[cfg(test)]
mod tests;
