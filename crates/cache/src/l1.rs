//! The cache of one process.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::{Cache, EntryAction, EntryResult};

use crate::flight::{Flight, Flights};

/// What a key and the cache's own bookkeeping weigh, beside the value.
const SLOT_BYTES: u64 = 160;

/// Loads of one read before it gives up on outrunning the writers.
const FILL_ATTEMPTS_MAX: u32 = 8;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    L1,
    L2,
    Store,
}

/// A value and its version.
#[derive(Debug)]
pub struct Entry<V> {
    pub version: u64,
    pub value: Arc<V>,
    /// Heap size of the value.
    pub size_bytes: u64,
}

/// What the cache has been doing since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L1Statistics {
    pub hits: u64,
    pub misses: u64,
    /// Loads that came back with less than was known by then.
    pub stale_fills_dropped: u64,
    pub entries: u64,
    pub bytes: u64,
    pub bytes_max: u64,
}

/// The newest known version of each key, within a bound in bytes.
pub struct L1<K, V> {
    slots: Cache<K, Slot<V>, SlotWeight>,
    flights: Flights<K, Entry<V>>,
    hits: AtomicU64,
    misses: AtomicU64,
    stale_fills_dropped: AtomicU64,
}

/// What is known of a key.
enum Slot<V> {
    Known(Entry<V>),
    /// This version exists; its value is not here.
    Floor(u64),
}

#[derive(Clone)]
struct SlotWeight;

impl<K: Hash + Eq + Clone, V> L1<K, V> {
    /// A cache of at most `bytes_max` bytes, whose tables are made for about `entries` keys and grow
    /// beyond.
    pub fn new(bytes_max: u64, entries: usize) -> Self {
        Self {
            slots: Cache::with_weighter(entries, bytes_max, SlotWeight),
            flights: Flights::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale_fills_dropped: AtomicU64::new(0),
        }
    }

    /// The entry of a key. Counts as a hit or a miss.
    pub fn get(&self, key: &K) -> Option<Entry<V>> {
        let found = self.peek(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// The entry of a key, without counting.
    pub fn peek(&self, key: &K) -> Option<Entry<V>> {
        match self.slots.get(key) {
            Some(Slot::Known(entry)) => Some(entry),
            Some(Slot::Floor(_)) | None => None,
        }
    }

    /// Keeps an entry unless as new a version is known. Also tells loads under way.
    pub fn put(&self, key: &K, entry: Entry<V>) -> bool {
        self.put_if(key, entry, || true)
    }

    /// The same if `holds`, which is asked while nobody else can use the key's slot: for one who may be late
    /// with what he has, when what he does not have may have been here and be evicted.
    pub fn put_if(&self, key: &K, entry: Entry<V>, holds: impl Fn() -> bool) -> bool {
        let version = entry.version;
        self.flights.raise_floor(key, version);
        self.replace_if(key, version, Slot::Known(entry), holds)
    }

    /// A version exists whose value is not at hand: older ones are forgotten. Says whether this was
    /// news.
    pub fn raise_floor(&self, key: &K, version: u64) -> bool {
        // Loads first: one that overtakes the slot's floor, and finds its slot evicted, still finds this.
        self.flights.raise_floor(key, version);
        self.replace(key, version, Slot::Floor(version))
    }

    /// Forgets a key, whatever is known of it.
    pub fn forget(&self, key: &K) {
        self.slots.remove(key);
    }

    /// The entry of a key at `version_min` or newer, loaded if it is not here. `load` is told which
    /// version is known to exist; it must read what is the truth when it is called, or what is proven
    /// to be at least that.
    ///
    /// A load that comes back with less than is known by then is repeated; after
    /// [`FILL_ATTEMPTS_MAX`] times its result is answered, but not kept.
    pub async fn get_or_load<E, F>(
        &self,
        key: &K,
        version_min: u64,
        load: impl Fn(u64) -> F,
    ) -> Result<(Entry<V>, Tier), E>
    where
        F: Future<Output = Result<(Entry<V>, Tier), E>>,
    {
        if let Some(entry) = self.peek(key).filter(|entry| entry.version >= version_min) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok((entry, Tier::L1));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let flight = self.flights.join(key);
            // What was known before this load began.
            flight.raise_floor(version_min.max(self.known(key)));
            let mut tier = Tier::L1;
            let loaded = flight
                .loaded
                .get_or_try_init(async || {
                    let (entry, from) = load(flight.floor()).await?;
                    tier = from;
                    // Here, while the load is under way and told of floors: one who only waited may
                    // come to his turn when it has long been over.
                    self.keep_loaded(key, &entry, &flight);
                    Ok(entry)
                })
                .await
                .cloned();
            let entry = loaded?;
            let fresh = entry.version >= flight.floor();
            drop(flight);
            // What a writer has put here meanwhile is newer than any load.
            if let Some(newer) = self.peek(key).filter(|known| known.version > entry.version) {
                return Ok((newer, Tier::L1));
            }
            if fresh || attempts == FILL_ATTEMPTS_MAX {
                return Ok((entry, tier));
            }
            self.stale_fills_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps what was loaded, unless it is known to be old by now. Whoever knows of a newer version tells the
    /// load first and the slot then; the load asks while it holds the slot. So the one or the other sees it,
    /// and nobody who comes between them finds the old one.
    fn keep_loaded(&self, key: &K, entry: &Entry<V>, flight: &Flight<Entry<V>>) {
        let is_newest = || entry.version >= flight.floor();
        self.replace_if(key, entry.version, Slot::Known(entry.clone()), is_newest);
    }

    pub fn statistics(&self) -> L1Statistics {
        L1Statistics {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            stale_fills_dropped: self.stale_fills_dropped.load(Ordering::Relaxed),
            entries: self.slots.len() as u64,
            bytes: self.slots.weight(),
            bytes_max: self.slots.capacity(),
        }
    }

    /// The version that is known to exist; 0 if nothing is known.
    fn known(&self, key: &K) -> u64 {
        self.slots.get(key).map_or(0, |slot| match slot {
            Slot::Known(entry) => entry.version,
            Slot::Floor(version) => version,
        })
    }

    /// Sets the slot if `version` is newer than what is known; an entry also replaces a floor of its
    /// own version.
    fn replace(&self, key: &K, version: u64, slot: Slot<V>) -> bool {
        self.replace_if(key, version, slot, || true)
    }

    /// The same if `holds`, which is asked while nobody else can use the slot.
    fn replace_if(&self, key: &K, version: u64, slot: Slot<V>, holds: impl Fn() -> bool) -> bool {
        let mut offered = Some(slot);
        let outcome = self.slots.entry(key, None, |_, known| {
            let newer = match known {
                Slot::Known(entry) => version > entry.version,
                Slot::Floor(floor) => version >= *floor,
            } && holds();
            // Nothing is evicted for a slot that grows in its place, only for one that comes in.
            let grows = offered.as_ref().is_some_and(|slot| slot.weight() > known.weight());
            if newer && grows {
                return EntryAction::ReplaceWithGuard;
            }
            if newer && let Some(slot) = offered.take() {
                *known = slot;
            }
            EntryAction::Retain(newer)
        });
        match outcome {
            EntryResult::Retained(newer) => newer,
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => match offered {
                Some(slot) if holds() => guard.insert(slot).is_ok(),
                _ => false,
            },
            // The callback removes nothing, and without a time-out there is none to run into.
            EntryResult::Removed(..) | EntryResult::Timeout => false,
        }
    }
}

impl<V> Slot<V> {
    fn weight(&self) -> u64 {
        match self {
            Self::Known(entry) => SLOT_BYTES + entry.size_bytes,
            Self::Floor(_) => SLOT_BYTES,
        }
    }
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { version: self.version, value: self.value.clone(), size_bytes: self.size_bytes }
    }
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Known(entry) => Self::Known(entry.clone()),
            Self::Floor(version) => Self::Floor(*version),
        }
    }
}

impl<K, V> Weighter<K, Slot<V>> for SlotWeight {
    fn weight(&self, _: &K, slot: &Slot<V>) -> u64 {
        slot.weight()
    }
}

#[cfg(test)]
mod tests;
