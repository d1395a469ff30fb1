//! Loads that are under way.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Loads by key: at most one for a key.
pub(crate) struct Flights<K, T> {
    flights: Mutex<HashMap<K, Arc<Flight<T>>>>,
}

/// One load. Whoever waits for it can take it over.
pub(crate) struct Flight<T> {
    /// Versions below this are known to be old.
    floor: AtomicU64,
    pub(crate) loaded: OnceCell<T>,
}

impl<T> Flight<T> {
    pub(crate) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    pub(crate) fn raise_floor(&self, version: u64) {
        self.floor.fetch_max(version, Ordering::AcqRel);
    }
}

impl<K: Hash + Eq + Clone, T> Flights<K, T> {
    pub(crate) fn new() -> Self {
        Self { flights: Mutex::new(HashMap::new()) }
    }

    /// The load of this key that is under way, or a new one.
    pub(crate) fn join<'a>(&'a self, key: &'a K) -> Seat<'a, K, T> {
        let mut flights = self.flights.lock();
        let flight = flights.entry(key.clone()).or_insert_with(|| {
            Arc::new(Flight { floor: AtomicU64::new(0), loaded: OnceCell::new() })
        });
        Seat { flights: self, key, flight: flight.clone() }
    }

    /// Tells a load that is under way that this version exists.
    pub(crate) fn raise_floor(&self, key: &K, version: u64) {
        if let Some(flight) = self.flights.lock().get(key) {
            flight.raise_floor(version);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.flights.lock().len()
    }
}

/// A place in a load. The load ends when it is done or when its last waiter has left.
pub(crate) struct Seat<'a, K: Hash + Eq, T> {
    flights: &'a Flights<K, T>,
    key: &'a K,
    flight: Arc<Flight<T>>,
}

impl<K: Hash + Eq, T> Deref for Seat<'_, K, T> {
    type Target = Flight<T>;

    fn deref(&self) -> &Flight<T> {
        &self.flight
    }
}

impl<K: Hash + Eq, T> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights.lock();
        // Seats are taken and left under the lock, so the count is exact: one for the table, one
        // for each seat.
        let over = self.flight.loaded.initialized() || Arc::strong_count(&self.flight) == 2;
        if over && flights.get(self.key).is_some_and(|now| Arc::ptr_eq(now, &self.flight)) {
            flights.remove(self.key);
        }
    }
}
