//! When a call is made again: the decision is a pure function, the budget a number.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::{Error, RetryOptions};

/// Retries that a quiet client can make at once, in thousandths.
const BUDGET_MAX: i64 = 10_000;
/// What one retry costs, in thousandths.
const RETRY_COSTS: i64 = 1_000;
/// What one successful call earns, in thousandths: one retry for ten calls.
const CALL_EARNS: i64 = 100;

/// What pays for retries. Shared by all calls of a client, so that a server in trouble meets at most
/// a tenth more calls than without retries.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Budget {
    pub(crate) fn full() -> Self {
        Self(AtomicI64::new(BUDGET_MAX))
    }

    /// Counts a successful call. The plain load keeps the common case, a full bucket, free of writes.
    pub(crate) fn earn(&self) {
        if self.0.load(Ordering::Relaxed) < BUDGET_MAX {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                Some((held + CALL_EARNS).min(BUDGET_MAX))
            });
        }
    }

    /// Takes the price of one retry; `false` if there is not enough.
    pub(crate) fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                (held >= RETRY_COSTS).then_some(held - RETRY_COSTS)
            })
            .is_ok()
    }
}

/// How long to wait before the next attempt; `None`: there is none. `attempt` counts from 1,
/// `jitter` is from 0 to 1, `left` is what remains of the deadline.
pub(crate) fn pause(
    options: &RetryOptions,
    error: &Error,
    attempt: u32,
    jitter: f64,
    left: Duration,
) -> Option<Duration> {
    if attempt >= options.attempts_max || !error.is_transient() {
        return None;
    }
    let pause = back_off(options, attempt, jitter).max(error.retry_after.unwrap_or_default());
    (pause < left).then_some(pause)
}

/// Exponential with full jitter: clients that were cut off together do not come back together.
pub(crate) fn back_off(options: &RetryOptions, attempt: u32, jitter: f64) -> Duration {
    let doubled = options.pause_first.saturating_mul(1_u32 << (attempt.saturating_sub(1)).min(20));
    doubled.min(options.pause_max).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(10);

    fn gone() -> Error {
        Error::unreachable("gone")
    }

    #[test]
    fn pauses_double_up_to_the_bound_and_jitter_spreads_them() {
        let options = RetryOptions::default();
        let full: Vec<u128> = (1..=8).map(|n| back_off(&options, n, 1.0).as_millis()).collect();
        assert_eq!(full, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(back_off(&options, 1, 0.0), Duration::ZERO);
        assert_eq!(back_off(&options, 60, 1.0), options.pause_max);
    }

    #[test]
    fn a_call_is_made_again_only_while_it_can_help() {
        let options = RetryOptions::default();
        assert!(pause(&options, &gone(), 1, 0.5, LEFT).is_some());
        assert!(pause(&options, &gone(), 5, 0.5, LEFT).is_none(), "no attempt is left");
        let conflict = Error::local(tonic::Code::Aborted, "conflict");
        assert!(pause(&options, &conflict, 1, 0.5, LEFT).is_none(), "it would fail again");
        assert!(pause(&options, &gone(), 4, 1.0, Duration::from_millis(300)).is_none(), "too late");
        assert!(pause(&RetryOptions::none(), &gone(), 1, 0.5, LEFT).is_none());
    }

    #[test]
    fn the_server_can_ask_for_a_longer_pause() {
        let asked = Error { retry_after: Some(Duration::from_secs(4)), ..gone() };
        assert_eq!(
            pause(&RetryOptions::default(), &asked, 1, 0.1, LEFT),
            Some(Duration::from_secs(4))
        );
    }

    #[test]
    fn the_budget_is_a_tenth_of_the_successful_calls() {
        let budget = Budget::full();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        for _ in 0..10 {
            assert!(!budget.spend());
            budget.earn();
        }
        assert!(budget.spend());
        assert!(!budget.spend());
    }
}
