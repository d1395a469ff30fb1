//! The shared cache of callers in one process, and the reference that adapters are compared with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use quick_cache::unsync::Cache;
use tokio::sync::broadcast;

use crate::{
    Announcement, BROADCAST_EVENTS_MAX, BroadcastEvent, Envelope, Fill, L2, L2Error, Lifetimes,
};

/// Values, claims and announcements of this process. Clones are callers of the same cache.
#[derive(Debug)]
pub struct LocalL2 {
    caller: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lifetimes: Lifetimes,
    entries_max: usize,
    callers: AtomicU64,
    unavailable: AtomicBool,
    origin: Instant,
    /// How far its clock has been put forward.
    passed: Mutex<Duration>,
    values: Mutex<Cache<Box<str>, Kept>>,
    claims: Mutex<HashMap<Box<str>, Claim>>,
    broadcasts: broadcast::Sender<BroadcastEvent>,
}

#[derive(Debug)]
struct Kept {
    envelope: Envelope,
    until: Duration,
}

#[derive(Debug)]
struct Claim {
    caller: u64,
    until: Duration,
}

impl LocalL2 {
    /// Keeps at most so many values, and lets go of those that are read least; more claims than that
    /// at a time are refused as [`L2Error::Unavailable`].
    pub fn new(entries_max: usize, lifetimes: Lifetimes) -> Self {
        let shared = Shared {
            lifetimes,
            entries_max,
            callers: AtomicU64::new(1),
            unavailable: AtomicBool::new(false),
            origin: Instant::now(),
            passed: Mutex::default(),
            values: Mutex::new(Cache::new(entries_max)),
            claims: Mutex::default(),
            broadcasts: broadcast::Sender::new(BROADCAST_EVENTS_MAX),
        };
        Self { caller: 0, shared: Arc::new(shared) }
    }

    /// Makes it unreachable, or reachable again with everything that it held.
    pub fn set_unavailable(&self, is_unavailable: bool) {
        if self.shared.unavailable.swap(is_unavailable, Ordering::AcqRel) && !is_unavailable {
            self.interrupt();
        }
    }

    /// Forgets all values and claims.
    pub fn flush(&self) {
        self.shared.values.lock().clear();
        self.shared.claims.lock().clear();
    }

    /// Puts its clock forward.
    pub fn pass(&self, time: Duration) {
        *self.shared.passed.lock() += time;
    }

    /// What a subscriber gets after the connection was lost.
    pub fn interrupt(&self) {
        self.broadcast(BroadcastEvent::Interrupted);
    }

    fn broadcast(&self, event: BroadcastEvent) {
        // There may be no subscriber.
        let _ = self.shared.broadcasts.send(event);
    }

    fn reach(&self) -> Result<&Shared, L2Error> {
        if self.shared.unavailable.load(Ordering::Acquire) {
            return Err(L2Error::Unavailable("it is set unavailable".to_owned()));
        }
        Ok(&self.shared)
    }
}

impl Shared {
    /// Since it was made.
    fn now(&self) -> Duration {
        self.origin.elapsed() + *self.passed.lock()
    }
}

impl Clone for LocalL2 {
    fn clone(&self) -> Self {
        let caller = self.shared.callers.fetch_add(1, Ordering::Relaxed);
        Self { caller, shared: self.shared.clone() }
    }
}

#[async_trait]
impl L2 for LocalL2 {
    async fn get(&self, key: &str) -> Result<Option<Envelope>, L2Error> {
        let shared = self.reach()?;
        let now = shared.now();
        let values = shared.values.lock();
        let kept = values.get(key).filter(|kept| now < kept.until);
        Ok(kept.map(|kept| kept.envelope.clone()))
    }

    async fn put(&self, key: &str, envelope: Envelope) -> Result<(), L2Error> {
        let shared = self.reach()?;
        let now = shared.now();
        let mut values = shared.values.lock();
        let there = values.get(key).filter(|kept| now < kept.until);
        let there = there.map(|kept| (kept.envelope.version, kept.envelope.as_of));
        if there < Some((envelope.version, envelope.as_of)) {
            let until = now + shared.lifetimes.value;
            values.insert(key.into(), Kept { envelope, until });
        }
        drop(values);
        let mut claims = shared.claims.lock();
        if claims.get(key).is_some_and(|claim| claim.caller == self.caller) {
            claims.remove(key);
        }
        Ok(())
    }

    async fn claim(&self, key: &str) -> Result<Fill, L2Error> {
        let shared = self.reach()?;
        let now = shared.now();
        let mut claims = shared.claims.lock();
        if claims.get(key).is_some_and(|claim| now < claim.until) {
            return Ok(Fill::Others);
        }
        if claims.len() >= shared.entries_max {
            claims.retain(|_, claim| now < claim.until);
            if claims.len() >= shared.entries_max {
                return Err(L2Error::Unavailable("too many claims".to_owned()));
            }
        }
        let claim = Claim { caller: self.caller, until: now + shared.lifetimes.claim };
        claims.insert(key.into(), claim);
        Ok(Fill::Yours)
    }

    async fn announce(&self, announcement: Announcement) -> Result<(), L2Error> {
        self.reach()?;
        self.broadcast(BroadcastEvent::Announced(Arc::new(announcement)));
        Ok(())
    }

    fn subscribe(&self) -> broadcast::Receiver<BroadcastEvent> {
        self.shared.broadcasts.subscribe()
    }

    async fn ping(&self) -> Result<(), L2Error> {
        self.reach().map(drop)
    }
}
