//! One lane of the feed: waits for what its writers will offer, takes what other instances push, and reads
//! from the log what nobody offers or pushes.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_repository::{Event, EventLog, Lane, LogError, Position, StreamName};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::remote::RemoteEventBuffer;
use super::ring::Ring;
use super::{Enrich, Entry, Feed};
use crate::metrics::Source;
use crate::staleness::FreshnessTracker;

/// Events read from the log at once.
const FILL_EVENTS_MAX: usize = 1_024;

/// How long the feed waits for the offer of what this instance has written, while offers are open. The
/// offer comes unless its writer never learned what became of the append; reading back what is about to
/// be offered would cost more than all the rest of a write.
const OFFER_GRACE: Duration = Duration::from_millis(250);

/// How long the feed waits, while offers are open, for what another instance has written: a push costs
/// less than a read. This is also how soon it looks again whose the next position is.
const REMOTE_GRACE: Duration = Duration::from_millis(5);

/// How long the feed waits before it asks again a log that did not answer.
const RETRY_DELAY: Duration = Duration::from_millis(200);

pub(super) struct LaneFeed<E> {
    pub(super) lane: Lane,
    /// Absent where this instance is the sole writer.
    pub(super) tracker: Option<FreshnessTracker>,
    pub(super) ring: Mutex<Ring<E>>,
    pub(super) released: watch::Sender<Position>,
    pub(super) remote: RemoteEventBuffer,
}

/// Releases entries of one lane that come next.
pub struct Releaser<'a, E> {
    feed: &'a LaneFeed<E>,
}

impl<E: Entry> Releaser<'_, E> {
    /// Whether no later event of this stream has been offered yet. If one has, whatever follows from it
    /// may be known already and must not be replaced by less.
    pub fn is_newest(&self, stream: &StreamName, position: Position) -> bool {
        !self.feed.ring.lock().is_overtaken(stream, position)
    }

    /// Releases the entry of the next position.
    pub fn release(&self, entry: Arc<E>) {
        let position = {
            let mut ring = self.feed.ring.lock();
            ring.place(entry);
            ring.release();
            ring.released()
        };
        self.feed.announce(position);
    }
}

impl<E: Entry> LaneFeed<E> {
    /// A lane that begins at its present end.
    pub(super) fn new(log: &dyn EventLog, lane: Lane) -> Self {
        let end = *log.tail(lane).borrow();
        Self {
            lane,
            tracker: log.tail_observations(lane).map(FreshnessTracker::new),
            ring: Mutex::new(Ring::after(end)),
            released: watch::Sender::new(end),
            remote: RemoteEventBuffer::default(),
        }
    }

    pub(super) fn announce(&self, position: Position) {
        self.released.send_if_modified(|released| {
            let newer = position > *released;
            *released = position.max(*released);
            newer
        });
        if let Some(tracker) = &self.tracker {
            tracker.staleness(position);
        }
    }

    pub(super) async fn run<R: Enrich<Entry = E>>(&self, feed: &Feed<E>, enricher: &R) {
        let mut committed = feed.log.tail(self.lane);
        let mut released = self.released.subscribe();
        loop {
            let end = (*committed.borrow_and_update()).max(self.remote.end());
            // Since when it has been waiting at a gap. A push of what lies beyond the gap does not fill it.
            let mut waiting_since = None;
            while *released.borrow_and_update() < end {
                let before = *self.released.borrow();
                let pushed = self.remote.next(before);
                let own = feed.log.local_runs(self.lane, before);
                let others = own.map_or(Position::MAX, |own| *own.start() - before - 1);
                let grace = if others == 0 { OFFER_GRACE } else { REMOTE_GRACE };
                let moved = if !pushed.is_empty() {
                    feed.metrics.count(Source::Remote, pushed.len());
                    self.enrich(enricher, pushed).await
                } else if feed.has_open_offers()
                    && waiting_since.get_or_insert_with(Instant::now).elapsed() < grace
                {
                    tokio::select! {
                        changed = tokio::time::timeout(REMOTE_GRACE, released.changed()) => {
                            if changed.is_ok() {
                                waiting_since = None;
                            }
                        }
                        () = self.remote.arrival() => {}
                    }
                    continue;
                } else {
                    // What comes after the others' events is offered, unless nobody has offered what is here.
                    let events = if others == 0 { Position::MAX } else { others };
                    self.fill(feed, enricher, events).await
                };
                waiting_since = None;
                if let Err(error) = moved {
                    tracing::warn!(%error, lane = self.lane.0, "the feed could not read the log");
                    tokio::time::sleep(RETRY_DELAY).await;
                } else if *self.released.borrow() == before {
                    // The log does not have what was pushed: an older copy has taken its place.
                    tokio::time::sleep(REMOTE_GRACE).await;
                }
            }
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { return },
                () = self.remote.arrival() => {}
            }
        }
    }

    /// Reads the next events, at most so many, from the log and releases them.
    async fn fill<R: Enrich<Entry = E>>(
        &self,
        feed: &Feed<E>,
        enricher: &R,
        events_max: Position,
    ) -> Result<(), LogError> {
        let after = self.ring.lock().released();
        let limit = events_max.min(FILL_EVENTS_MAX as Position) as usize;
        let events = feed.log.read_lane(self.lane, after, limit).await?;
        feed.metrics.count(Source::Log, events.len());
        self.enrich(enricher, events).await
    }

    async fn enrich<R: Enrich<Entry = E>>(
        &self,
        enricher: &R,
        events: Vec<Event>,
    ) -> Result<(), LogError> {
        enricher.enrich(events, &Releaser { feed: self }).await
    }
}
