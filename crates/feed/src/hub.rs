//! The hub: hands each released entry to the subscribers that it concerns.
//!
//! A subscriber of one stream costs nothing when other streams change. A subscriber that does not empty
//! its mailbox loses the mailbox, not events: it goes on from the log.

mod mailbox;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Lane, StreamName};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

pub use self::mailbox::Mailbox;
use self::mailbox::{Slot, mailbox};
use crate::{Cut, Entry, Feed, Read};

/// Entries that wait for one subscriber.
const MAILBOX_EVENTS_MAX: usize = 64;

/// Entries taken from the feed at once.
const BATCH_EVENTS_MAX: usize = 256;

/// What a subscriber wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every stream whose category is open to users: it does not begin with an underscore.
    All,
    Category(Box<str>),
    Stream(StreamName),
}

/// The subscribers of one feed.
pub struct Hub<E> {
    subscribers: Mutex<Subscribers<E>>,
    next_id: AtomicU64,
    open: Gauge,
}

struct Subscribers<E> {
    by_scope: HashMap<Scope, Vec<Subscriber<E>>>,
    /// Everything up to here has been delivered.
    delivered: Cut,
}

struct Subscriber<E> {
    id: u64,
    events: Slot<Arc<E>>,
}

/// A subscriber's end of a mailbox. Dropping it ends the subscription.
pub struct Subscription<E: Entry> {
    pub events: Mailbox<Arc<E>>,
    pub scope: Scope,
    hub: Arc<Hub<E>>,
    id: u64,
}

impl Scope {
    pub fn covers(&self, stream: &StreamName) -> bool {
        match self {
            Self::All => !stream.category().starts_with('_'),
            Self::Category(name) => **name == *stream.category(),
            Self::Stream(name) => name == stream,
        }
    }
}

impl<E: Entry> Hub<E> {
    /// A hub that delivers what is released from now on. `open` tells how many subscriptions are open.
    pub fn new(feed: &Feed<E>, open: Gauge) -> Self {
        let delivered = Cut(feed.lanes().map(|lane| (lane, feed.position(lane))).collect());
        let subscribers = Mutex::new(Subscribers { by_scope: HashMap::new(), delivered });
        Self { subscribers, next_id: AtomicU64::new(1), open }
    }

    /// Subscriptions that are open.
    pub fn open(&self) -> i64 {
        self.open.get()
    }

    /// Everything up to here is in the mailboxes.
    pub fn delivered(&self) -> Cut {
        self.subscribers.lock().delivered.clone()
    }

    /// A mailbox, and the cut that it holds everything after.
    pub fn subscribe(self: &Arc<Self>, scope: Scope) -> (Subscription<E>, Cut) {
        let (slot, events) = mailbox(MAILBOX_EVENTS_MAX);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.open.inc();
        let mut subscribers = self.subscribers.lock();
        // Most streams have one subscriber.
        let of_scope =
            subscribers.by_scope.entry(scope.clone()).or_insert_with(|| Vec::with_capacity(1));
        of_scope.push(Subscriber { id, events: slot });
        let after = subscribers.delivered.clone();
        (Subscription { events, scope, hub: self.clone(), id }, after)
    }

    /// Delivers what the feed releases, until `stop`.
    pub async fn run(&self, feed: &Feed<E>, stop: CancellationToken) {
        let lanes = feed.lanes().map(|lane| self.run_lane(feed, lane));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = futures::future::join_all(lanes) => {}
        }
    }

    async fn run_lane(&self, feed: &Feed<E>, lane: Lane) {
        let mut released = feed.released(lane);
        let mut position = self.delivered().position(lane);
        loop {
            match feed.read(lane, position, BATCH_EVENTS_MAX) {
                Read::Events(events) if events.is_empty() => {
                    if released.changed().await.is_err() {
                        return;
                    }
                }
                Read::Events(events) => {
                    for entry in &events {
                        self.deliver(entry);
                    }
                    position += events.len() as u64;
                    tokio::task::yield_now().await;
                }
                // The hub fell behind the feed's memory: all subscribers go on from the log.
                Read::Behind => {
                    position = *released.borrow_and_update();
                    let mut subscribers = self.subscribers.lock();
                    subscribers.by_scope.clear();
                    subscribers.delivered.raise(lane, position);
                }
            }
        }
    }

    fn deliver(&self, entry: &Arc<E>) {
        let event = entry.event();
        let mut subscribers = self.subscribers.lock();
        subscribers.delivered.raise(event.lane, event.position);
        if subscribers.by_scope.is_empty() {
            return;
        }
        let category = event.stream.category();
        let mut scopes = vec![Scope::Stream(event.stream.clone())];
        if !category.starts_with('_') {
            scopes.push(Scope::Category(category.into()));
            scopes.push(Scope::All);
        }
        for scope in scopes {
            if let Some(of_scope) = subscribers.by_scope.get_mut(&scope) {
                // A full mailbox is taken away: its subscriber reads the log instead.
                of_scope.retain(|subscriber| subscriber.events.put(entry.clone()));
            }
        }
    }

    fn unsubscribe(&self, scope: &Scope, id: u64) {
        self.open.dec();
        let mut subscribers = self.subscribers.lock();
        if let Some(of_scope) = subscribers.by_scope.get_mut(scope) {
            of_scope.retain(|subscriber| subscriber.id != id);
            if of_scope.is_empty() {
                subscribers.by_scope.remove(scope);
            }
        }
    }
}

impl<E: Entry> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.scope, self.id);
    }
}
