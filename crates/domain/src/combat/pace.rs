//! When the next tick is due.

use super::content::Rules;

/// Ticks that are run at once after a stall, at most. The time beyond them is let go: a session then goes
/// on where it stood, and nobody is hurt by the seconds that nobody saw.
pub const CATCH_UP_TICKS_MAX: u32 = 4;

/// Counts the ticks that a session owes its clock, without drift: the n-th is due `n / tick_hz` seconds
/// after the start.
#[derive(Debug, Clone)]
pub struct Pace {
    tick_hz: u64,
    /// When the 0th tick was due.
    start_us: u64,
    done: u64,
}

impl Pace {
    pub const fn new(rules: &Rules, start_us: u64) -> Self {
        Self { tick_hz: rules.tick_hz as u64, start_us, done: 0 }
    }

    /// Ticks to run now.
    pub const fn due(&mut self, now_us: u64) -> u32 {
        let passed = now_us.saturating_sub(self.start_us);
        let owed = (passed as u128 * self.tick_hz as u128 / 1_000_000) as u64 + 1 - self.done;
        if owed <= CATCH_UP_TICKS_MAX as u64 {
            self.done += owed;
            return owed as u32;
        }
        // The next is due a whole tick from now.
        *self = Self { tick_hz: self.tick_hz, start_us: now_us, done: 1 };
        CATCH_UP_TICKS_MAX
    }

    /// When the next tick is due, on the clock of `now_us`.
    pub const fn next_us(&self) -> u64 {
        self.start_us + (self.done * 1_000_000).div_ceil(self.tick_hz)
    }
}
