//! The hub: brings each committed event to the watchers that it concerns.
//!
//! A watcher of one aggregate costs nothing when others change. A watcher that does not empty its
//! mailbox loses the mailbox, not events: it goes on from the log.

mod mailbox;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gamemesh_repository::{Lane, Position, StreamName};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::mailbox::{Mailbox, Slot, mailbox};
use super::Engine;
use super::feed::{Applied, Read};
use crate::token::Cut;

/// Events that wait for one watcher.
const MAILBOX_EVENTS_MAX: usize = 64;

/// Events taken from the feed at once.
const BATCH_EVENTS_MAX: usize = 256;

/// What a watcher wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    All,
    Type(Box<str>),
    Aggregate(StreamName),
}

pub(crate) struct Hub {
    watchers: Mutex<Watchers>,
    next: AtomicU64,
    open: AtomicI64,
}

#[derive(Default)]
struct Watchers {
    by_scope: HashMap<Scope, Vec<Watcher>>,
    /// Everything up to here has been brought.
    brought: Cut,
}

struct Watcher {
    id: u64,
    events: Slot<Arc<Applied>>,
}

/// A watcher's end of a mailbox. Dropping it ends the subscription.
pub(crate) struct Subscription {
    pub(crate) events: Mailbox<Arc<Applied>>,
    pub(crate) scope: Scope,
    engine: Arc<Engine>,
    id: u64,
}

impl Scope {
    pub(crate) fn covers(&self, stream: &StreamName) -> bool {
        match self {
            Self::All => !stream.category().starts_with('_'),
            Self::Type(t) => **t == *stream.category(),
            Self::Aggregate(name) => name == stream,
        }
    }
}

impl Hub {
    pub(crate) fn new(lanes: impl Iterator<Item = Lane>, end: impl Fn(Lane) -> Position) -> Self {
        let brought = Cut(lanes.map(|lane| (lane, end(lane))).collect());
        let watchers = Watchers { by_scope: HashMap::new(), brought };
        Self { watchers: Mutex::new(watchers), next: AtomicU64::new(1), open: AtomicI64::new(0) }
    }

    /// Watchers that are open.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Everything up to here is in the mailboxes.
    pub(crate) fn brought(&self) -> Cut {
        self.watchers.lock().brought.clone()
    }

    /// A mailbox, and the cut that it holds everything after.
    pub(crate) fn subscribe(engine: &Arc<Engine>, scope: Scope) -> (Subscription, Cut) {
        let hub = &engine.hub;
        let (slot, events) = mailbox(MAILBOX_EVENTS_MAX);
        let id = hub.next.fetch_add(1, Ordering::Relaxed);
        hub.open.fetch_add(1, Ordering::Relaxed);
        let mut watchers = hub.watchers.lock();
        // Most aggregates have one watcher.
        let of_scope =
            watchers.by_scope.entry(scope.clone()).or_insert_with(|| Vec::with_capacity(1));
        of_scope.push(Watcher { id, events: slot });
        let after = watchers.brought.clone();
        (Subscription { events, scope, engine: engine.clone(), id }, after)
    }

    fn unsubscribe(&self, scope: &Scope, id: u64) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut watchers = self.watchers.lock();
        if let Some(of_scope) = watchers.by_scope.get_mut(scope) {
            of_scope.retain(|watcher| watcher.id != id);
            if of_scope.is_empty() {
                watchers.by_scope.remove(scope);
            }
        }
    }

    fn bring(&self, applied: &Arc<Applied>) {
        let stream = &applied.event.stream;
        let mut watchers = self.watchers.lock();
        watchers.brought.raise(applied.event.lane, applied.event.position);
        if watchers.by_scope.is_empty() {
            return;
        }
        let mut scopes = vec![Scope::Aggregate(stream.clone())];
        if !stream.category().starts_with('_') {
            scopes.push(Scope::Type(stream.category().into()));
            scopes.push(Scope::All);
        }
        for scope in scopes {
            if let Some(of_scope) = watchers.by_scope.get_mut(&scope) {
                // A full mailbox is taken away: its watcher reads the log instead.
                of_scope.retain(|watcher| watcher.events.put(applied.clone()));
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.engine.hub.unsubscribe(&self.scope, self.id);
    }
}

pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let lanes = engine.feed.lanes().map(|lane| run_lane(&engine, lane));
    tokio::select! {
        () = stop.cancelled() => {}
        _ = futures::future::join_all(lanes) => {}
    }
}

async fn run_lane(engine: &Engine, lane: Lane) {
    let mut released = engine.feed.released(lane);
    let mut position = engine.hub.brought().position(lane);
    loop {
        match engine.feed.read(lane, position, BATCH_EVENTS_MAX) {
            Read::Events(events) if events.is_empty() => {
                if released.changed().await.is_err() {
                    return;
                }
            }
            Read::Events(events) => {
                for applied in &events {
                    engine.hub.bring(applied);
                }
                position += events.len() as u64;
                tokio::task::yield_now().await;
            }
            // The hub fell behind the feed's memory: all watchers go on from the log.
            Read::Behind => {
                position = *released.borrow_and_update();
                let mut watchers = engine.hub.watchers.lock();
                watchers.by_scope.clear();
                watchers.brought.raise(lane, position);
            }
        }
    }
}
