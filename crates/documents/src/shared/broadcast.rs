//! Commits are broadcast between instances, so that others show them at once, and observe the tail of the
//! log at once instead of at their next regular time.
//!
//! Events are accepted if they are sealed, and are shown when everything before them has been. Positions
//! are dense, so what is lost, late or repeated is noticed, and the log is read. All else is a hint, on
//! which no promise rests.
//!
//! Nothing is invalidated by name here. A version that does not exist would make its key uncacheable, and
//! what an invalidation throws away is the state on which the feed folds the event a moment later.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use gamemesh_cache::{Announcement, BroadcastEvent};
use gamemesh_repository::{Lane, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::event_seal::size_bytes;
use crate::Applied;
use crate::Documents;

/// Between two rounds of announcements, on average: what is committed meanwhile goes together.
const ROUND: Duration = Duration::from_millis(1);

/// Rounds that may follow each other at once, after a time with fewer.
const ROUNDS_AT_ONCE: u32 = 16;

/// Events of one announcement, in bytes. Of more, only the positions are announced: reading the events from
/// the log together costs less than sending them.
const EVENTS_BYTES_MAX: usize = 16 << 10;

/// What this instance has committed and not announced yet: one span of each lane.
pub(super) struct CommitBroadcast {
    spans: Mutex<Vec<Option<Span>>>,
    wake: Notify,
}

/// Positions after the first, up to the second; between them may lie others' events.
struct Span {
    after: Position,
    to: Position,
    /// In the order in which they became known; empty if they are too many.
    events: Vec<Arc<Applied>>,
    size_bytes: usize,
}

impl CommitBroadcast {
    pub(super) fn new(lanes: usize) -> Self {
        Self { spans: Mutex::new((0..lanes).map(|_| None).collect()), wake: Notify::new() }
    }

    pub(super) fn committed(&self, applied: &[Arc<Applied>]) {
        if applied.is_empty() {
            return;
        }
        let mut spans = self.spans.lock();
        for applied in applied {
            let (lane, position) = (applied.event.lane, applied.event.position);
            if let Some(span) = spans.get_mut(usize::from(lane.0)) {
                span.get_or_insert_with(|| Span::before(position)).add(applied);
            }
        }
        drop(spans);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<(Lane, Span)> {
        let mut spans = self.spans.lock();
        let taken = (0..).zip(spans.iter_mut());
        taken.filter_map(|(lane, span)| Some((Lane(lane), span.take()?))).collect()
    }
}

impl Span {
    const fn before(position: Position) -> Self {
        Self { after: position - 1, to: position - 1, events: Vec::new(), size_bytes: 0 }
    }

    fn add(&mut self, applied: &Arc<Applied>) {
        let position = applied.event.position;
        self.after = self.after.min(position - 1);
        self.to = self.to.max(position);
        self.size_bytes += size_bytes(&applied.event);
        if self.size_bytes <= EVENTS_BYTES_MAX {
            self.events.push(applied.clone());
        } else {
            self.events = Vec::new();
        }
    }
}

/// Announces to the others and listens to them, until `stop`.
pub(super) async fn run(documents: &Documents, shared: &Shared, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        ((), ()) = async { tokio::join!(announce(shared), listen(documents, shared)) } => {}
    }
}

async fn announce(shared: &Shared) {
    // What the rounds so far are worth.
    let mut paid = Instant::now();
    loop {
        shared.broadcast.wake.notified().await;
        let now = Instant::now();
        paid = paid.max(now) + ROUND;
        let due = paid - ROUND * ROUNDS_AT_ONCE;
        if due > now {
            tokio::time::sleep_until(due).await;
        }
        let announced = shared.broadcast.take().into_iter().map(async |(lane, span)| {
            let sealed = match span.events.is_empty() {
                true => Bytes::new(),
                false => shared.event_seal.seal(lane, &span.events),
            };
            let Span { after, to, .. } = span;
            // If one is lost, the others still observe the tail at their regular time.
            let announcement = Announcement { lane: lane.0, after, to, payload: sealed };
            let _ = shared.ask(shared.l2.announce(announcement)).await;
        });
        join_all(announced).await;
    }
}

async fn listen(documents: &Documents, shared: &Shared) {
    let mut announcements = shared.l2.subscribe();
    // Others may have announced something before this instance listened.
    documents.log.refresh_tail();
    loop {
        let received = announcements.recv().await;
        if received == Err(RecvError::Closed) {
            return;
        }
        if let Ok(BroadcastEvent::Announced(announcement)) = &received {
            accept(documents, shared, announcement);
        }
        if calls_for_observation(&received, |lane| documents.feed.tail(lane)) {
            documents.log.refresh_tail();
        }
    }
}

/// Accepts the events of an announcement, unless this instance has shown them.
fn accept(documents: &Documents, shared: &Shared, announcement: &Announcement) {
    let lane = Lane(announcement.lane);
    if lane.0 >= documents.log.lanes() || announcement.to <= documents.feed.position(lane) {
        return;
    }
    let events = shared.event_seal.open(lane, &announcement.payload);
    documents.feed.push_remote(lane, events);
}

/// Whether the log may have more than is known here: not if this instance wrote it, nor if it was pushed
/// here.
fn calls_for_observation(
    received: &Result<BroadcastEvent, RecvError>,
    tail: impl Fn(Lane) -> Position,
) -> bool {
    match received {
        Ok(BroadcastEvent::Announced(announced)) => announced.to > tail(Lane(announced.lane)),
        Ok(BroadcastEvent::Interrupted) | Err(RecvError::Lagged(_)) => true,
        Err(RecvError::Closed) => false,
    }
}

#[cfg(test)]
mod tests {
    use gamemesh_repository::Event;

    use super::*;
    use crate::applied::tests::event;

    fn applied(lane: u16, position: Position, data: usize) -> Arc<Applied> {
        let event = Event { data: vec![0; data].into(), ..event(lane, position) };
        Arc::new(Applied { event, before: Arc::default(), after: Arc::default() })
    }

    #[test]
    fn commits_are_announced_as_one_span_of_each_lane() {
        let broadcast = CommitBroadcast::new(3);
        broadcast.committed(&[
            applied(2, 8, 0),
            applied(2, 9, 0),
            applied(0, 4, 0),
            applied(9, 2, 0),
        ]);
        broadcast.committed(&[applied(2, 6, 0)]);
        let positions = |span: &Span| span.events.iter().map(|a| a.event.position).collect();
        let announced: Vec<(_, _, _, Vec<_>)> = (broadcast.take().iter())
            .map(|(lane, span)| (lane.0, span.after, span.to, positions(span)))
            .collect();
        assert_eq!(announced, [(0, 3, 4, vec![4]), (2, 5, 9, vec![8, 9, 6])]);
        assert!(broadcast.take().is_empty());
    }

    #[test]
    fn too_many_events_are_a_hint_only() {
        let broadcast = CommitBroadcast::new(1);
        broadcast.committed(&[applied(0, 1, EVENTS_BYTES_MAX), applied(0, 2, 0)]);
        let (_, span) = broadcast.take().remove(0);
        assert_eq!((span.to, span.events.len()), (2, 0));
    }

    #[test]
    fn whatever_may_mean_more_calls_for_an_observation() {
        let announced = |lane, to| {
            let announcement = Announcement { lane, after: 0, to, payload: Bytes::new() };
            Ok(BroadcastEvent::Announced(Arc::new(announcement)))
        };
        let calls = |heard| calls_for_observation(&heard, |lane| if lane.0 == 1 { 40 } else { 0 });
        assert!(
            calls(announced(1, 41)) && calls(announced(1, u64::MAX)) && calls(announced(700, 1))
        );
        assert!(!calls(announced(1, 40)), "that is known");
        assert!(calls(Ok(BroadcastEvent::Interrupted)) && calls(Err(RecvError::Lagged(3))));
        assert!(!calls(Err(RecvError::Closed)));
    }
}
