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

/// What a failed attempt leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed {
    /// Its number, from 1.
    pub(crate) attempt: u32,
    /// A second delivery does no harm.
    pub(crate) repeatable: bool,
    /// An instance is well to which the call has not been sent.
    pub(crate) another: bool,
    /// What remains of the deadline.
    pub(crate) left: Duration,
}

/// What follows a failed attempt.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    GiveUp,
    /// The same call, at another instance, now. `paid`: from the budget.
    Elsewhere {
        paid: bool,
    },
    /// The same call after a pause, paid from the budget.
    Pause(Duration),
}

/// Decides what follows. `jitter` is from 0 to 1.
///
/// Leaving an instance that is gone is free: it rests from then on, so no more calls leave it than
/// were under way. An instance that answers and cannot serve is left at once too, but the others may
/// be in the same trouble, so that is paid for.
pub(crate) fn next(options: &RetryOptions, error: &Error, failed: Failed, jitter: f64) -> Next {
    let Failed { attempt, repeatable, another, left } = failed;
    let can_repeat = repeatable || error.unsent;
    if attempt >= options.attempts_max || !error.is_transient() || !can_repeat {
        return Next::GiveUp;
    }
    if another && (error.transport || error.code == tonic::Code::Unavailable) {
        return Next::Elsewhere { paid: !error.is_gone() };
    }
    let pause = back_off(options, attempt, jitter).max(error.retry_after.unwrap_or_default());
    if pause < left { Next::Pause(pause) } else { Next::GiveUp }
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

    fn after(error: &Error, attempt: u32) -> Next {
        let failed = Failed { attempt, repeatable: true, another: false, left: LEFT };
        next(&RetryOptions::default(), error, failed, 1.0)
    }

    #[test]
    fn a_call_is_made_again_only_while_it_can_help() {
        let first = Failed { attempt: 1, repeatable: true, another: false, left: LEFT };
        let options = RetryOptions::default();
        assert_eq!(after(&gone(), 1), Next::Pause(Duration::from_millis(50)));
        assert_eq!(after(&gone(), 5), Next::GiveUp, "no attempt is left");
        let conflict = Error::local(tonic::Code::Aborted, "conflict");
        assert_eq!(after(&conflict, 1), Next::GiveUp, "it would fail again");
        let late = Failed { attempt: 4, left: Duration::from_millis(300), ..first };
        assert_eq!(next(&options, &gone(), late, 1.0), Next::GiveUp, "too late");
        assert_eq!(next(&RetryOptions::none(), &gone(), first, 0.5), Next::GiveUp);
        let once = Failed { repeatable: false, ..first };
        assert_eq!(next(&options, &gone(), once, 0.5), Next::GiveUp, "it may have arrived");
        let unsent = Error { unsent: true, ..gone() };
        assert!(matches!(next(&options, &unsent, once, 0.5), Next::Pause(_)), "nobody has it");
    }

    #[test]
    fn the_server_can_ask_for_a_longer_pause() {
        let asked = Error { retry_after: Some(Duration::from_secs(4)), ..gone() };
        assert_eq!(after(&asked, 1), Next::Pause(Duration::from_secs(4)));
    }

    #[test]
    fn an_instance_that_is_gone_is_left_at_once_and_without_price() {
        let at_another = |error: &Error| {
            let failed = Failed { attempt: 1, repeatable: true, another: true, left: LEFT };
            next(&RetryOptions::default(), error, failed, 1.0)
        };
        assert_eq!(at_another(&gone()), Next::Elsewhere { paid: false });
        let unavailable = Error::local(tonic::Code::Unavailable, "its database is away");
        assert_eq!(at_another(&unavailable), Next::Elsewhere { paid: true });
        let drains = Error { reason: "NOT_SERVING".into(), ..unavailable };
        assert_eq!(at_another(&drains), Next::Elsewhere { paid: false });
        let busy = Error {
            reason: "OVERLOADED".into(),
            ..Error::local(tonic::Code::ResourceExhausted, "full")
        };
        assert_eq!(at_another(&busy), Next::Pause(Duration::from_millis(50)));
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
