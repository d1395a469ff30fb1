//! A bound on concurrent calls, and a bounded queue of those who wait.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Permits for concurrent calls, and a bounded queue of callers who wait for one.
#[derive(Debug)]
pub struct WaitQueue {
    free: Semaphore,
    permits_max: u32,
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

/// The right to make a call, returned when dropped.
pub type QueuePermit<'a> = SemaphorePermit<'a>;

/// Why a caller got no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueError {
    /// As many wait as may.
    Full,
    /// None was returned in the longest time of waiting.
    TimedOut,
    /// No permits are given any more.
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
    /// Whether the server is taken to be available.
    pub breaker_is_closed: bool,
}

/// One who waits, until this is dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WaitQueue {
    pub fn new(permits_max: u32, waiters_max: u32) -> Self {
        Self {
            free: Semaphore::new(permits_max as usize),
            permits_max,
            waiters_max: waiters_max as usize,
            waiters: AtomicUsize::new(0),
            counters: Counters::default(),
        }
    }

    /// A permit; refused at once when too many wait, or after the longest wait. Those who wait are
    /// served in their order.
    pub async fn acquire(&self, wait_max: Duration) -> Result<QueuePermit<'_>, QueueError> {
        let acquired = match self.free.try_acquire() {
            Ok(free) => Ok(free),
            Err(_) => self.wait(wait_max).await,
        };
        if acquired.is_ok() {
            self.counters.acquired.fetch_add(1, Ordering::Relaxed);
        }
        acquired
    }

    /// Refuses everybody from now on, those who wait too.
    pub fn close(&self) {
        self.free.close();
    }

    /// The figures, with those that only the adapter knows.
    pub fn statistics(&self, idle: u32, breaker_is_closed: bool) -> PoolStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStatistics {
            connections_max: self.permits_max,
            in_use: self.permits_max - self.free.available_permits() as u32,
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

    async fn wait(&self, wait_max: Duration) -> Result<QueuePermit<'_>, QueueError> {
        let before = self.waiters.fetch_add(1, Ordering::Relaxed);
        let waiter = Waiter(&self.waiters);
        if before >= self.waiters_max {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(QueueError::Full);
        }
        let began = Instant::now();
        let waited = tokio::time::timeout(wait_max, self.free.acquire()).await;
        drop(waiter);
        self.counters.waited.fetch_add(1, Ordering::Relaxed);
        self.counters.wait_us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        match waited {
            Ok(Ok(free)) => Ok(free),
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => {
                self.counters.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(QueueError::TimedOut)
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
    async fn permits_and_waiters_are_bounded() {
        let queue = WaitQueue::new(2, 1);
        let (first, second) =
            (queue.acquire(LONG).await.unwrap(), queue.acquire(LONG).await.unwrap());
        let waits = queue.acquire(LONG);
        let others = async {
            while queue.statistics(0, true).waiters < 1 {
                tokio::task::yield_now().await;
            }
            assert_eq!(queue.acquire(LONG).await.unwrap_err(), QueueError::Full);
            assert_eq!(queue.statistics(3, true).in_use, 2);
            drop(first);
        };
        let (waited, ()) = tokio::join!(waits, others);
        let third = waited.unwrap();
        assert_eq!(queue.acquire(SHORT).await.unwrap_err(), QueueError::TimedOut);
        drop((second, third));
        let statistics = queue.statistics(3, false);
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
        let queue = WaitQueue::new(1, 1);
        let permit = queue.acquire(LONG).await.unwrap();
        assert!(tokio::time::timeout(SHORT, queue.acquire(LONG)).await.is_err());
        assert_eq!(queue.statistics(0, true).waiters, 0);
        let waits = queue.acquire(LONG);
        let (waited, ()) = tokio::join!(waits, async { drop(permit) });
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn a_closed_queue_has_no_permits() {
        let queue = WaitQueue::new(1, 1);
        let permit = queue.acquire(LONG).await.unwrap();
        let (waited, ()) = tokio::join!(queue.acquire(LONG), async { queue.close() });
        assert_eq!(waited.unwrap_err(), QueueError::Closed);
        drop(permit);
        assert_eq!(queue.acquire(LONG).await.unwrap_err(), QueueError::Closed);
    }
}
