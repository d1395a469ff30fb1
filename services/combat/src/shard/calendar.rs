//! When each session of a shard has its next tick.
//!
//! Sessions of the same rate are spread over the period, so that a shard's work, and the frames that
//! follow from it, do not come all at once. A shard that was held up goes on from now after a bounded
//! number of ticks: what it missed is not run through, and nobody is hurt by time that was not played.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

/// Ticks that are made up for after a delay; the others are left out.
pub(crate) const CATCH_UP_TICKS_MAX: u32 = 4;

/// Which session is due when; the number is the shard's own of the session.
#[derive(Debug, Default)]
pub(crate) struct Calendar(BinaryHeap<Reverse<(Instant, u64)>>);

/// The ticks of one session.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    period: Duration,
    due: Instant,
}

impl Calendar {
    pub(crate) fn put(&mut self, due: Instant, session: u64) {
        self.0.push(Reverse((due, session)));
    }

    /// When the next session is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// A session that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u64> {
        self.next().filter(|due| *due <= now)?;
        self.0.pop().map(|Reverse((_, session))| session)
    }
}

impl Pace {
    /// `spread` is any number that differs between sessions.
    pub(crate) fn new(period: Duration, spread: u64, now: Instant) -> Self {
        let parts = period.as_micros().max(1) as u64;
        Self { period, due: now + Duration::from_micros(spread % parts) }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The tick is made: when the next one is due, and how late this one was.
    pub(crate) fn made(&mut self, now: Instant) -> Duration {
        let late = now.saturating_duration_since(self.due);
        self.due += self.period;
        if now.saturating_duration_since(self.due) > self.period * CATCH_UP_TICKS_MAX {
            self.due = now;
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);

    #[test]
    fn sessions_are_spread_over_the_period() {
        let now = Instant::now();
        let mut slots = [0; 10];
        for session in 0..1_000_u64 {
            let spread = blake3::hash(&session.to_be_bytes());
            let spread = u64::from_be_bytes(spread.as_bytes()[..8].try_into().unwrap());
            let due = Pace::new(PERIOD, spread, now).due();
            slots[(due - now).as_millis() as usize] += 1;
        }
        assert!(slots.iter().all(|count| (50..200).contains(count)), "{slots:?}");
    }

    #[test]
    fn a_stall_of_three_seconds_is_not_run_through() {
        let start = Instant::now();
        let mut pace = Pace::new(PERIOD, 0, start);
        let woken = start + Duration::from_secs(3);
        let mut ticks = 0;
        while pace.due() <= woken {
            pace.made(woken);
            ticks += 1;
        }
        assert!(ticks <= CATCH_UP_TICKS_MAX + 1, "{ticks}");
        // A short delay is made up for.
        let resumed = pace.due();
        let late = resumed + PERIOD * 3;
        let mut ticks = 0;
        while pace.due() <= late {
            pace.made(late);
            ticks += 1;
        }
        assert_eq!(ticks, 4);
    }

    #[test]
    fn whoever_is_due_comes_first() {
        let now = Instant::now();
        let mut calendar = Calendar::default();
        calendar.put(now + PERIOD, 1);
        calendar.put(now, 2);
        assert_eq!(calendar.next(), Some(now));
        assert_eq!((calendar.pop(now), calendar.pop(now)), (Some(2), None));
        assert_eq!(calendar.pop(now + PERIOD), Some(1));
    }
}
