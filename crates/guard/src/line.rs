//! Places at a server, and the line of those who wait for one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A bound for those who are served and one for those who wait.
#[derive(Debug)]
pub struct Line {
    free: Semaphore,
    places_max: u32,
    waiters_max: usize,
    waiters: AtomicUsize,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    acquired: AtomicU64,
    waited: AtomicU64,
    wait_us: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
}

/// A place, free again when dropped.
pub type Place<'a> = SemaphorePermit<'a>;

/// Why a caller got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many wait as may.
    LineFull,
    /// None became free in the time that he would wait.
    WaitedInVain,
    /// There are none any more.
    Closed,
}

/// The state of a pool now, and counters since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatistics {
    pub connections_max: u32,
    pub in_use: u32,
    pub idle: u32,
    pub waiters: u32,
    pub acquired_total: u64,
    /// Callers who had to wait, and how long all of them together.
    pub waited_total: u64,
    pub wait_us_total: u64,
    /// Callers refused at once because too many waited.
    pub refused_total: u64,
    /// Callers refused after the longest wait.
    pub timed_out_total: u64,
    /// Whether the server is taken to be there.
    pub breaker_is_closed: bool,
}

/// One who waits, until this is dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    pub fn new(places_max: u32, waiters_max: u32) -> Self {
        Self {
            free: Semaphore::new(places_max as usize),
            places_max,
            waiters_max: waiters_max as usize,
            waiters: AtomicUsize::new(0),
            counters: Counters::default(),
        }
    }

    /// A place; refused at once when too many wait, or after the longest wait. Those who wait are
    /// served in their order.
    pub async fn enter(&self, wait_max: Duration) -> Result<Place<'_>, Refused> {
        let entered = match self.free.try_acquire() {
            Ok(free) => Ok(free),
            Err(_) => self.wait(wait_max).await,
        };
        if entered.is_ok() {
            self.counters.acquired.fetch_add(1, Ordering::Relaxed);
        }
        entered
    }

    /// Refuses everybody from now on, those who wait too.
    pub fn close(&self) {
        self.free.close();
    }

    /// The figures, with those that only the adapter knows.
    pub fn statistics(&self, idle: u32, breaker_is_closed: bool) -> PoolStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStatistics {
            connections_max: self.places_max,
            in_use: self.places_max - self.free.available_permits() as u32,
            idle,
            waiters: self.waiters.load(Ordering::Relaxed) as u32,
            acquired_total: count(&self.counters.acquired),
            waited_total: count(&self.counters.waited),
            wait_us_total: count(&self.counters.wait_us),
            refused_total: count(&self.counters.refused),
            timed_out_total: count(&self.counters.timed_out),
            breaker_is_closed,
        }
    }

    async fn wait(&self, wait_max: Duration) -> Result<Place<'_>, Refused> {
        let before = self.waiters.fetch_add(1, Ordering::Relaxed);
        let waiter = Waiter(&self.waiters);
        if before >= self.waiters_max {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::LineFull);
        }
        let began = Instant::now();
        let waited = tokio::time::timeout(wait_max, self.free.acquire()).await;
        drop(waiter);
        self.counters.waited.fetch_add(1, Ordering::Relaxed);
        self.counters.wait_us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        match waited {
            Ok(Ok(free)) => Ok(free),
            Ok(Err(_)) => Err(Refused::Closed),
            Err(_) => {
                self.counters.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(Refused::WaitedInVain)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);
    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn places_and_waiters_are_bounded() {
        let line = Line::new(2, 1);
        let (first, second) = (line.enter(LONG).await.unwrap(), line.enter(LONG).await.unwrap());
        let waits = line.enter(LONG);
        let others = async {
            while line.statistics(0, true).waiters < 1 {
                tokio::task::yield_now().await;
            }
            assert_eq!(line.enter(LONG).await.unwrap_err(), Refused::LineFull);
            assert_eq!(line.statistics(3, true).in_use, 2);
            drop(first);
        };
        let (waited, ()) = tokio::join!(waits, others);
        let third = waited.unwrap();
        assert_eq!(line.enter(SHORT).await.unwrap_err(), Refused::WaitedInVain);
        drop((second, third));
        let statistics = line.statistics(3, false);
        assert!(statistics.wait_us_total >= SHORT.as_micros() as u64);
        let expected = PoolStatistics {
            connections_max: 2,
            in_use: 0,
            idle: 3,
            waiters: 0,
            acquired_total: 3,
            waited_total: 2,
            wait_us_total: statistics.wait_us_total,
            refused_total: 1,
            timed_out_total: 1,
            breaker_is_closed: false,
        };
        assert_eq!(statistics, expected);
    }

    #[tokio::test]
    async fn who_goes_away_no_longer_waits() {
        let line = Line::new(1, 1);
        let place = line.enter(LONG).await.unwrap();
        assert!(tokio::time::timeout(SHORT, line.enter(LONG)).await.is_err());
        assert_eq!(line.statistics(0, true).waiters, 0);
        let waits = line.enter(LONG);
        let (waited, ()) = tokio::join!(waits, async { drop(place) });
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn a_closed_line_has_no_places() {
        let line = Line::new(1, 1);
        let place = line.enter(LONG).await.unwrap();
        let (waited, ()) = tokio::join!(line.enter(LONG), async { line.close() });
        assert_eq!(waited.unwrap_err(), Refused::Closed);
        drop(place);
        assert_eq!(line.enter(LONG).await.unwrap_err(), Refused::Closed);
    }
}
