//! News between instances: that the log has more. Only hints, on which no promise rests: what is heard
//! makes the log look at once instead of at its next time, and what it then finds is the truth. So news
//! may be lost, late, repeated or made up.
//!
//! That is also why nothing is invalidated by name here. A version that does not exist would make its
//! key uncacheable, and what an invalidation throws away is the state on which the feed folds the event
//! a moment later.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Announcement, Heard};
use gamemesh_repository::{Lane, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::super::Engine;
use super::Shared;

/// How long own commits are collected into one announcement of each lane.
const COLLECT: Duration = Duration::from_millis(1);

/// What this instance has committed and not announced yet: one span of each lane.
pub(super) struct News {
    spans: Mutex<Vec<Option<Span>>>,
    wake: Notify,
}

/// Positions after the first, up to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    after: Position,
    to: Position,
}

impl News {
    pub(super) fn new(lanes: usize) -> Self {
        Self { spans: Mutex::new(vec![None; lanes]), wake: Notify::new() }
    }

    pub(super) fn committed(&self, lane: Lane, after: Position, to: Position) {
        let mut spans = self.spans.lock();
        if let Some(span) = spans.get_mut(usize::from(lane.0)) {
            let known = span.get_or_insert(Span { after, to });
            *known = Span { after: known.after.min(after), to: known.to.max(to) };
        }
        drop(spans);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Announcement> {
        let mut spans = self.spans.lock();
        let taken = (0..).zip(spans.iter_mut()).filter_map(|(lane, span)| {
            let Span { after, to } = span.take()?;
            Some(Announcement { lane, after, to, changed: Vec::new() })
        });
        taken.collect()
    }
}

/// Tells the others and listens to them, until `stop`.
pub(in crate::engine) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let Some(shared) = &engine.shared else { return };
    tokio::select! {
        () = stop.cancelled() => {}
        ((), ()) = async { tokio::join!(tell(shared), listen(&engine, shared)) } => {}
    }
}

async fn tell(shared: &Shared) {
    loop {
        shared.news.wake.notified().await;
        tokio::time::sleep(COLLECT).await;
        for announcement in shared.news.take() {
            // One that is lost is as good as none: the others look by themselves.
            let _ = shared.ask(shared.l2.announce(announcement)).await;
        }
    }
}

async fn listen(engine: &Engine, shared: &Shared) {
    let mut news = shared.l2.listen();
    loop {
        let heard = news.recv().await;
        if heard == Err(RecvError::Closed) {
            return;
        }
        if calls_for_a_look(&heard, |lane| engine.tail(lane)) {
            engine.log.look();
        }
    }
}

/// Whether there may be more than is known: not if this instance was the one who told.
fn calls_for_a_look(heard: &Result<Heard, RecvError>, tail: impl Fn(Lane) -> Position) -> bool {
    match heard {
        Ok(Heard::Announced(news)) => news.to > tail(Lane(news.lane)),
        Ok(Heard::Interrupted) | Err(RecvError::Lagged(_)) => true,
        Err(RecvError::Closed) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_told_as_one_span_of_each_lane() {
        let news = News::new(3);
        for (lane, after, to) in [(2, 7, 9), (0, 3, 4), (2, 5, 6), (9, 1, 2)] {
            news.committed(Lane(lane), after, to);
        }
        let told: Vec<_> = news.take().iter().map(|a| (a.lane, a.after, a.to)).collect();
        assert_eq!(told, [(0, 3, 4), (2, 5, 9)]);
        assert!(news.take().is_empty());
    }

    #[test]
    fn whatever_may_mean_more_calls_for_a_look() {
        let told = |lane, to| {
            let announcement = Announcement { lane, after: 0, to, changed: Vec::new() };
            Ok(Heard::Announced(Arc::new(announcement)))
        };
        let calls = |heard| calls_for_a_look(&heard, |lane| if lane.0 == 1 { 40 } else { 0 });
        assert!(calls(told(1, 41)) && calls(told(1, u64::MAX)) && calls(told(700, 1)));
        assert!(!calls(told(1, 40)), "that is known");
        assert!(calls(Ok(Heard::Interrupted)) && calls(Err(RecvError::Lagged(3))));
        assert!(!calls(Err(RecvError::Closed)));
    }
}
