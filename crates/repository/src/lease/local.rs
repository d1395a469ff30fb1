//! How an instance judges its own lease.

use std::time::Duration;

use tokio::time::Instant;

/// A lease by the monotonic clock of this process, from before its renewal was sent.
///
/// The store counts the lease from when it had the renewal, which was later. The two clocks may run
/// at different rates, so a part of the lease is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalLease {
    until: Instant,
}

impl LocalLease {
    /// One of so many parts of a lease is not used: no clock is off by more.
    const UNUSED_PART: u32 = 20;

    /// What a renewal is worth that was sent at `sent` and granted.
    pub fn granted(sent: Instant, lease: Duration) -> Self {
        Self { until: sent + (lease - lease / Self::UNUSED_PART) }
    }

    /// No lease.
    pub fn over(now: Instant) -> Self {
        Self { until: now }
    }

    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// What is left of it.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_begins_before_its_renewal_was_sent_and_ends_before_the_stores() {
        let sent = Instant::now();
        let granted = Duration::from_secs(10);
        let lease = LocalLease::granted(sent, granted);
        assert!(!lease.is_over(sent));
        assert!(!lease.is_over(sent + Duration::from_secs(9)));
        // However late the answer came: what counts is when it was asked for.
        assert!(lease.is_over(sent + Duration::from_millis(9_500)));
        assert_eq!(lease.left(sent + Duration::from_secs(9)), Duration::from_millis(500));
        assert_eq!(lease.left(sent + Duration::from_secs(40)), Duration::ZERO);
        assert!(LocalLease::over(sent).is_over(sent));
    }
}
