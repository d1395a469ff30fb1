//! A rate with a burst, in one number.

/// The generic cell rate algorithm: so many a second, and so many at once.
#[derive(Debug, Clone)]
pub(crate) struct Gcra {
    interval_us: u64,
    burst_us: u64,
    /// When the next one is due if everybody kept the pace.
    due_us: u64,
}

impl Gcra {
    /// `per_second` in the long run, `burst` at once.
    pub(crate) const fn new(per_second: u64, burst: u64) -> Self {
        let interval_us = 1_000_000 / per_second;
        Self { interval_us, burst_us: interval_us * burst.saturating_sub(1), due_us: 0 }
    }

    /// Whether so many more are within the rate at this time. What is refused does not count.
    pub(crate) fn admits(&mut self, cost: u64, now_us: u64) -> bool {
        let due = self.due_us.max(now_us);
        if due - now_us > self.burst_us {
            return false;
        }
        self.due_us = due.saturating_add(self.interval_us.saturating_mul(cost));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_pace() {
        let mut rate = Gcra::new(10, 3);
        let at = |rate: &mut Gcra, ms: u64| rate.admits(1, ms * 1_000);
        assert!(at(&mut rate, 0) && at(&mut rate, 0) && at(&mut rate, 0));
        assert!(!at(&mut rate, 0) && !at(&mut rate, 99));
        assert!(at(&mut rate, 100) && !at(&mut rate, 100));
        // After a rest the burst is whole again, and no more than whole.
        assert_eq!((0..9).filter(|_| at(&mut rate, 60_000)).count(), 3);
    }

    #[test]
    fn in_the_long_run_it_is_the_rate() {
        let mut rate = Gcra::new(64, 16);
        let admitted = (0..10_000).filter(|n| rate.admits(1, n * 1_000)).count();
        assert!((640..=656).contains(&admitted), "{admitted}");
    }
}
