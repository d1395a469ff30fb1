//! Loads that are under way.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::OnceCell;

/// Loads by key: at most one for a key.
pub(crate) struct Flights<K, T> {
    flights: DashMap<K, Arc<Flight<T>>>,
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
        Self { flights: DashMap::new() }
    }

    /// The load of this key that is under way, or a new one.
    pub(crate) fn join<'a>(&'a self, key: &'a K) -> FlightGuard<'a, K, T> {
        let flight = self.flights.entry(key.clone()).or_insert_with(|| {
            Arc::new(Flight { floor: AtomicU64::new(0), loaded: OnceCell::new() })
        });
        FlightGuard { flights: self, key, flight: Some(flight.clone()) }
    }

    /// Tells a load that is under way that this version exists.
    pub(crate) fn raise_floor(&self, key: &K, version: u64) {
        if let Some(flight) = self.flights.get(key) {
            flight.raise_floor(version);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }
}

/// A share in a load. The load ends when it is done or when its last waiter has left.
pub(crate) struct FlightGuard<'a, K: Hash + Eq, T> {
    flights: &'a Flights<K, T>,
    key: &'a K,
    /// Taken when it is dropped.
    flight: Option<Arc<Flight<T>>>,
}

impl<K: Hash + Eq, T> Deref for FlightGuard<'_, K, T> {
    type Target = Flight<T>;

    fn deref(&self) -> &Flight<T> {
        self.flight.as_ref().expect("it is there until it is dropped")
    }
}

impl<K: Hash + Eq, T> Drop for FlightGuard<'_, K, T> {
    fn drop(&mut self) {
        let Self { flights, key, flight } = self;
        let mut own = flight.take();
        flights.flights.remove_if(*key, |_, current| {
            let is_current = own.as_ref().is_some_and(|own| Arc::ptr_eq(own, current));
            let is_loaded = own.as_ref().is_some_and(|own| own.loaded.initialized());
            // Guards are made and dropped under the entry's lock, so the count is exact.
            own = None;
            is_current && (is_loaded || Arc::strong_count(current) == 1)
        });
    }
}
