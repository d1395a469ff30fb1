//! What one caller reads in batches, pages and histories: such a call is one read, and costs as much as what
//! it reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gamemesh_domain::{Code, Error};

/// An item that is read costs as much as so many bytes, however small it is.
const ITEM_BYTES: usize = 1 << 10;

/// What may be read at once after a while without any; what the last call reads beyond is paid with time.
const BURST: Duration = Duration::from_secs(1);

/// A bound of bytes a second for each place in which callers are counted.
#[derive(Debug)]
pub(super) struct Spending {
    /// By when what was read is paid, in microseconds since the beginning.
    paid_by_us: Box<[AtomicU64]>,
    since: Instant,
    player_bytes_per_second: usize,
    server_bytes_per_second: usize,
}

impl Spending {
    pub(super) fn new(callers: usize, player: usize, server: usize) -> Self {
        Self {
            paid_by_us: (0..callers).map(|_| AtomicU64::new(0)).collect(),
            since: Instant::now(),
            player_bytes_per_second: player,
            server_bytes_per_second: server,
        }
    }

    /// How long the caller has to wait before he may read any more.
    pub(super) fn wait(&self, caller: usize) -> Duration {
        self.wait_at(caller, self.since.elapsed())
    }

    fn wait_at(&self, caller: usize, now: Duration) -> Duration {
        let paid_by = Duration::from_micros(self.paid_by_us[caller].load(Ordering::Acquire));
        paid_by.saturating_sub(now + BURST)
    }

    /// Counts what was read.
    pub(super) fn spend(&self, caller: usize, is_server: bool, items: usize, bytes: usize) {
        self.spend_at(caller, is_server, items, bytes, self.since.elapsed());
    }

    fn spend_at(&self, caller: usize, is_server: bool, items: usize, bytes: usize, now: Duration) {
        let rate =
            if is_server { self.server_bytes_per_second } else { self.player_bytes_per_second };
        if rate == 0 {
            return;
        }
        let cost = items.saturating_mul(ITEM_BYTES).saturating_add(bytes) as u128;
        let cost_us = u64::try_from(cost * 1_000_000 / rate as u128).unwrap_or(u64::MAX);
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let later = |paid_by: u64| Some(paid_by.max(now_us).saturating_add(cost_us));
        let _ = self.paid_by_us[caller].fetch_update(Ordering::AcqRel, Ordering::Acquire, later);
    }
}

pub(super) fn refused(wait: Duration) -> Error {
    let what = "this caller reads more than he may in batches, pages and histories";
    Error::new(Code::RateLimited, what).with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_beyond_is_paid_with_time_and_by_nobody_else() {
        let spending = Spending::new(2, 1 << 20, 0);
        let second = Duration::from_secs(1);
        spending.spend_at(0, false, 0, 1 << 20, second);
        assert_eq!(spending.wait_at(0, second), Duration::ZERO, "a second's worth at once");
        spending.spend_at(0, false, 1_024, 2 << 20, second);
        assert_eq!(spending.wait_at(0, second), 3 * second);
        assert_eq!(spending.wait_at(0, 3 * second), second);
        assert_eq!(spending.wait_at(0, 4 * second), Duration::ZERO);
        assert_eq!(spending.wait_at(1, second), Duration::ZERO);
        spending.spend_at(1, true, 1 << 20, 1 << 30, second);
        assert_eq!(spending.wait_at(1, second), Duration::ZERO, "no rate is no limit");
    }
}
