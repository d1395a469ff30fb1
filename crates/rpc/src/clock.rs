//! The one source of time: services take it as a value and never ask the system themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall clock in microseconds since the Unix epoch.
///
/// ```
/// use gamemesh_rpc::clock::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::manual(1_000_000);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now_micros(), 2_000_000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved. Clones move together.
    pub fn manual(start_micros: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start_micros))))
    }

    pub fn now_micros(&self) -> i64 {
        match &self.0 {
            // A clock before 1970 is a broken clock: zero is as wrong as any other answer.
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        }
    }

    pub fn now_seconds(&self) -> i64 {
        self.now_micros().div_euclid(1_000_000)
    }

    /// Moves a manual clock; the system clock cannot be moved and stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(micros) = &self.0 {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock, backwards too; the system clock stays as it is.
    pub fn set_micros(&self, now_micros: i64) {
        if let Source::Manual(micros) = &self.0 {
            micros.store(now_micros, Ordering::SeqCst);
        }
    }
}
