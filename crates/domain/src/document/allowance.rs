//! What rules about rates have left for the next change of a field.
//!
//! A rule allows so much a second, and beside it an allowance: a burst, a tolerance. The allowance is
//! one for all changes. What a change takes beyond its time is spent of it, what it leaves of its time
//! fills it up again: over any stretch of time a field changes by at most the rate times the seconds
//! plus the allowance, in however many writes. It is part of the history, so that neither a restart nor
//! another instance grants it anew.

use super::value::limits::INT_ABS_MAX;
use super::{Number, Validator};

/// Clocks of several writers differ by less than this; it counts as no time at all.
const CLOCK_SKEW_US_MAX: i64 = 1_000_000;

/// A clock that was set back does not tell how much time passed. So much is taken to have.
const UNKNOWN_REST_US: i64 = 2_000_000;

/// What a rule has left after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Names the rule: see [`Allowance::rule_of`].
    pub rule: u64,
    pub left: Number,
    /// When the change was made, by the clock of its writer: the times of a log never go back, clocks
    /// do.
    pub at_us: i64,
}

/// What was known of the rates before a change.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    /// Of the fields that changed before.
    pub allowances: &'a [Allowance],
    /// Since when the others are as they are, at most.
    pub since_us: i64,
    pub now_us: i64,
}

impl Allowance {
    /// The same for rules of one kind about the same fields, whatever their bounds: 64-bit FNV-1a.
    pub fn rule_of(validator: &Validator) -> u64 {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let paths = validator.paths().iter().flat_map(|path| [",", path.as_str()]);
        let bytes = [validator.name()].into_iter().chain(paths).flat_map(str::bytes);
        bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    }
}

impl Rates<'_> {
    /// By how much the fields of a rule may change now.
    pub(super) fn available(&self, rule: u64, per_second: f64, allowance_max: f64) -> f64 {
        let known = self.allowances.iter().find(|allowance| allowance.rule == rule);
        let (left, at_us) = known.map_or((allowance_max, self.since_us), |known| {
            (known.left.as_f64().min(allowance_max), known.at_us)
        });
        left + per_second * self.elapsed_us(at_us) as f64 / 1e6
    }

    /// What is left after a change that took `taken` of what was `available`.
    pub(super) fn spend(
        &self,
        rule: u64,
        available: f64,
        taken: f64,
        allowance_max: f64,
    ) -> Allowance {
        let left = (available - taken).clamp(0.0, allowance_max.min(INT_ABS_MAX as f64));
        let known = self.allowances.iter().find(|allowance| allowance.rule == rule);
        let at_us = match known {
            // Another writer's clock is a little ahead: its time is not granted twice.
            Some(known) if known.at_us - self.now_us <= CLOCK_SKEW_US_MAX => {
                known.at_us.max(self.now_us)
            }
            _ => self.now_us,
        };
        Allowance { rule, left: Number::new(left).unwrap_or(Number::Int(0)), at_us }
    }

    fn elapsed_us(&self, since_us: i64) -> i64 {
        match self.now_us.saturating_sub(since_us) {
            elapsed if elapsed >= -CLOCK_SKEW_US_MAX => elapsed.max(0),
            _ => UNKNOWN_REST_US,
        }
    }
}
