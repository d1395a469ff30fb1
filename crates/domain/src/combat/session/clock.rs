//! A client's clock, measured against the arrival of his messages (M1, M7).
//!
//! Let `D = arrival − client` be the delay of a message, up to an unknown constant. For an honest client
//! the client time between two messages exceeds their arrival time by the difference of their delays,
//! so the one-sided sum `C ← max(0, C + Δclient − (1+δ)·Δarrival)` never exceeds the range of the delay.
//! A fast clock makes it grow without end. The allowance is a slack beside the largest *rise* of the
//! delay in the last minute: a delay has to rise before it can fall, and a fast clock never makes it
//! rise.

use crate::combat::content::MovementRules;
use crate::combat::wire::wire_struct;

/// Parts of the window in which the delay is measured.
const WINDOWS: usize = 8;

/// The length of a part: eight make a minute.
const WINDOW_US: u64 = 7_500_000;

/// Stands for "no message in this part".
const NO_DELAY: i64 = i64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    /// Shortest delay.
    min_us: i64,
    /// Largest rise above the shortest delay known at the time.
    rise_us: i64,
}

wire_struct!(Window { min_us, rise_us });

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientClock {
    /// Of the newest message; none before the first.
    last: Option<Stamp>,
    first_arrival_us: u64,
    /// `C`: by how much the client's clock is ahead.
    ahead_us: i64,
    windows: [Window; WINDOWS],
    /// Number of the newest part: its arrival time / [`WINDOW_US`].
    window: u64,
    /// A silence was too long, and its late messages are still coming.
    stalled: bool,
    /// Where a run of stale messages began.
    stale_since: Option<Stamp>,
}

wire_struct!(ClientClock {
    last,
    first_arrival_us,
    ahead_us,
    windows,
    window,
    stalled,
    stale_since,
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stamp {
    client_us: u64,
    arrival_us: u64,
}

wire_struct!(Stamp { client_us, arrival_us });

/// What a message says about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSample {
    pub client_delta_us: i64,
    pub arrival_delta_us: i64,
    /// Later than the quickest message of the last minute by this.
    pub late_us: i64,
    pub ahead_us: i64,
    pub ahead_max_us: i64,
    /// M7: it came too late to count.
    pub too_late: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { min_us: NO_DELAY, rise_us: 0 }
    }
}

/// A client's clock must be below this (142 years), so that sums cannot overflow.
pub const CLIENT_US_MAX: u64 = 1 << 52;

impl ClientClock {
    /// Client time of the newest message that counted.
    pub fn client_us(&self) -> Option<u64> {
        self.last.map(|stamp| stamp.client_us)
    }

    /// Measures a message without remembering it.
    pub fn measure(&self, rules: &MovementRules, client_us: u64, arrival_us: u64) -> ClockSample {
        let Some(last) = self.last else {
            let ahead_max_us = i64::from(rules.clock_slack_us) + i64::from(rules.jitter_max_us);
            return ClockSample { ahead_max_us, ..ClockSample::default() };
        };
        let client_delta_us = client_us as i64 - last.client_us as i64;
        let arrival_delta_us = arrival_us.saturating_sub(last.arrival_us) as i64;
        let delay = arrival_us as i64 - client_us as i64;
        let late_us = delay.saturating_sub(self.shortest(arrival_us)).max(0);
        let forgiven = i128::from(arrival_delta_us) * i128::from(rules.clock_drift_ppm) / 1_000_000;
        let ahead = self.ahead_us + client_delta_us - arrival_delta_us - forgiven as i64;
        let stale_us = i64::from(rules.stale_us);
        let limit = if self.stalled || arrival_delta_us > stale_us {
            i64::from(rules.stall_credit_us)
        } else {
            stale_us
        };
        ClockSample {
            client_delta_us,
            arrival_delta_us,
            late_us,
            ahead_us: ahead.max(0),
            ahead_max_us: i64::from(rules.clock_slack_us) + self.jitter_us(rules, arrival_us),
            too_late: late_us > limit && !self.is_rebased(client_us, arrival_us),
        }
    }

    /// Remembers a message that counts.
    pub(super) fn observe(&mut self, rules: &MovementRules, client_us: u64, arrival_us: u64) {
        if self.client_us().is_some_and(|newest| client_us <= newest) {
            // Messages of one moment say nothing new.
            return;
        }
        if self.last.is_none() {
            self.first_arrival_us = arrival_us;
        } else if self.is_rebased(client_us, arrival_us) {
            // The clocks have a new constant between them, as after a sleep.
            self.windows = [Window::default(); WINDOWS];
        }
        let sample = self.measure(rules, client_us, arrival_us);
        let delay = arrival_us as i64 - client_us as i64;
        let shortest = self.shortest(arrival_us);
        self.turn_to(arrival_us);
        let window = &mut self.windows[(self.window % WINDOWS as u64) as usize];
        window.min_us = window.min_us.min(delay);
        if shortest != NO_DELAY {
            window.rise_us = window.rise_us.max(delay - shortest);
        }
        // What was refused is not given back: the sum stays at its limit.
        self.ahead_us = sample.ahead_us.min(sample.ahead_max_us);
        let silent = sample.arrival_delta_us > i64::from(rules.stale_us);
        self.stalled =
            (self.stalled || silent) && sample.late_us > i64::from(rules.stall_credit_us);
        self.stale_since = None;
        self.last = Some(Stamp { client_us, arrival_us });
    }

    /// Remembers a message that came too late to count.
    pub(super) fn observe_stale(&mut self, rules: &MovementRules, client_us: u64, arrival_us: u64) {
        let sample = self.measure(rules, client_us, arrival_us);
        self.stalled |= sample.arrival_delta_us > i64::from(rules.stale_us);
        if self.stale_since.is_none() {
            self.stale_since = Some(Stamp { client_us, arrival_us });
        }
    }

    /// The client's clock goes on from here: what was refused before is taken from what it may be
    /// ahead.
    pub(super) fn confiscate(&mut self, rules: &MovementRules, client_us: u64, arrival_us: u64) {
        let sample = self.measure(rules, client_us, arrival_us);
        self.ahead_us = sample.ahead_us.min(sample.ahead_max_us);
        if sample.client_delta_us > 0 {
            self.last = Some(Stamp { client_us, arrival_us });
        }
    }

    /// Whether messages have been coming at their own pace for longer than any burst, only later: then
    /// the delay between the clocks is another one, and not a stall.
    fn is_rebased(&self, client_us: u64, arrival_us: u64) -> bool {
        const PROBATION_US: u64 = 1_000_000;
        self.stale_since.is_some_and(|since| {
            let arrived = arrival_us.saturating_sub(since.arrival_us);
            let claimed = client_us.saturating_sub(since.client_us);
            arrived >= PROBATION_US && claimed <= arrived + PROBATION_US / 4
        })
    }

    /// The shortest delay of the last minute.
    fn shortest(&self, arrival_us: u64) -> i64 {
        self.recent(arrival_us).map(|window| window.min_us).min().unwrap_or(NO_DELAY)
    }

    /// The largest rise of the delay in the last minute, within the bounds of the rules.
    fn jitter_us(&self, rules: &MovementRules, arrival_us: u64) -> i64 {
        let (min, max) = (i64::from(rules.jitter_min_us), i64::from(rules.jitter_max_us));
        if arrival_us.saturating_sub(self.first_arrival_us) < WINDOW_US * WINDOWS as u64 {
            return max;
        }
        let rise = self.recent(arrival_us).map(|window| window.rise_us).max().unwrap_or(0);
        rise.clamp(min, max)
    }

    /// The parts that are not older than a minute at `arrival_us`.
    fn recent(&self, arrival_us: u64) -> impl Iterator<Item = &Window> {
        let now = arrival_us / WINDOW_US;
        let passed = now.saturating_sub(self.window);
        let newest = self.window;
        self.windows.iter().enumerate().filter_map(move |(slot, window)| {
            // How many parts ago this slot was written.
            let age = (newest + WINDOWS as u64 - slot as u64) % WINDOWS as u64;
            (age + passed < WINDOWS as u64).then_some(window)
        })
    }

    /// Empties the parts that have passed since the last message.
    fn turn_to(&mut self, arrival_us: u64) {
        let now = arrival_us / WINDOW_US;
        let passed = now.saturating_sub(self.window).min(WINDOWS as u64);
        for part in 0..passed {
            let slot = (now - part) % WINDOWS as u64;
            self.windows[slot as usize] = Window::default();
        }
        self.window = self.window.max(now);
    }
}
