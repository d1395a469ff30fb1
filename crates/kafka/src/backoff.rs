//! How long to leave brokers alone that have refused: the rule alone, without clock.

use std::time::Duration;

/// After the first refusal.
const FIRST: Duration = Duration::from_millis(100);

/// After many.
const LONGEST: Duration = Duration::from_secs(10);

/// Times are durations since any fixed moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    refusals: u32,
    until: Duration,
}

impl Backoff {
    /// How long to wait still; `None` if it is time to try.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        self.until.checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// A producer has failed. `jitter` is from 0 to 1: many instances shall not come back at once.
    pub(crate) fn failed(&mut self, now: Duration, jitter: f64) {
        let doubled = FIRST.saturating_mul(1 << self.refusals.min(16));
        self.until = now + doubled.min(LONGEST).mul_f64(0.5 + jitter / 2.0);
        self.refusals += 1;
    }

    /// Something was acknowledged.
    pub(crate) fn succeeded(&mut self) {
        self.refusals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound_and_starts_again() {
        let mut backoff = Backoff::default();
        let now = Duration::from_secs(5);
        assert_eq!(backoff.wait(now), None);
        for expected in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            backoff.failed(now, 1.0);
            assert_eq!(backoff.wait(now), Some(Duration::from_millis(expected)));
            assert_eq!(backoff.wait(now + Duration::from_millis(expected)), None);
        }
        backoff.succeeded();
        backoff.failed(now, 0.0);
        assert_eq!(backoff.wait(now), Some(Duration::from_millis(50)));
    }
}
