//! When a call is made again: the decision is a pure function, the budget a number.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::{Error, RetryOptions};

/// What one retry costs, in thousandths.
const RETRY_COSTS: i64 = 1_000;
/// What one successful call earns, in thousandths: one retry for ten calls.
const CALL_EARNS: i64 = 100;

/// What pays for retries. Shared by all calls of a client, so that a server in trouble meets at most
/// a tenth more calls than without retries.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In thousandths of a retry.
    held: AtomicI64,
    held_max: i64,
}

impl Budget {
    /// For so many retries at once.
    pub(crate) fn full(retries_at_once: u32) -> Self {
        let held_max = i64::from(retries_at_once) * RETRY_COSTS;
        Self { held: AtomicI64::new(held_max), held_max }
    }

    /// Counts a successful call. The plain load keeps the common case, a full bucket, free of writes.
    pub(crate) fn earn(&self) {
        if self.held.load(Ordering::Relaxed) < self.held_max {
            let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                Some((held + CALL_EARNS).min(self.held_max))
            });
        }
    }

    /// Takes the price of one retry; `false` if there is not enough.
    pub(crate) fn spend(&self) -> bool {
        self.held
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
    /// How often the call has waited for an instance.
    pub(crate) waits: u32,
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
    /// The same call after a pause in which an instance may have come, for nothing.
    Wait(Duration),
}

/// Decides what follows. `jitter` is from 0 to 1.
///
/// Leaving an instance that is gone is free: it rests from then on, so no more calls leave it than
/// were under way. An instance that answers and cannot serve is left at once too, but the others may
/// be in the same trouble, so that is paid for.
pub(crate) fn next(options: &RetryOptions, error: &Error, failed: Failed, jitter: f64) -> Next {
    let Failed { attempt, waits, repeatable, another, left } = failed;
    let can_repeat = repeatable || error.unsent;
    if options.wait_for_ready && can_repeat && !another && error.is_gone() {
        let pause = back_off(options, waits + 1, jitter);
        return if pause < left { Next::Wait(pause) } else { Next::GiveUp };
    }
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
        let failed = Failed { attempt, waits: 0, repeatable: true, another: false, left: LEFT };
        next(&RetryOptions::default(), error, failed, 1.0)
    }

    #[test]
    fn a_call_is_made_again_only_while_it_can_help() {
        let first = Failed { attempt: 1, waits: 0, repeatable: true, another: false, left: LEFT };
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
    fn who_waits_for_an_instance_does_so_until_the_deadline() {
        let options = RetryOptions { wait_for_ready: true, ..RetryOptions::default() };
        let next = |error: &Error, attempt, repeatable, left| {
            let failed = Failed { attempt, waits: 2, repeatable, another: false, left };
            super::next(&options, error, failed, 1.0)
        };
        let third = Next::Wait(Duration::from_millis(200));
        assert_eq!(next(&gone(), 99, true, LEFT), third, "attempts are not counted");
        assert_eq!(next(&gone(), 1, true, Duration::from_millis(100)), Next::GiveUp);
        assert_eq!(next(&gone(), 1, false, LEFT), Next::GiveUp, "it may have arrived");
        let unsent = Error { unsent: true, ..gone() };
        assert_eq!(next(&unsent, 1, false, LEFT), third, "nobody has it");
        let busy = Error::local(tonic::Code::Unavailable, "its database is away");
        assert!(matches!(next(&busy, 1, true, LEFT), Next::Pause(_)), "it is there");
    }

    #[test]
    fn the_server_can_ask_for_a_longer_pause() {
        let asked = Error { retry_after: Some(Duration::from_secs(4)), ..gone() };
        assert_eq!(after(&asked, 1), Next::Pause(Duration::from_secs(4)));
    }

    #[test]
    fn an_instance_that_is_gone_is_left_at_once_and_without_price() {
        let at_another = |error: &Error| {
            let failed =
                Failed { attempt: 1, waits: 0, repeatable: true, another: true, left: LEFT };
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
        let budget = Budget::full(10);
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        for _ in 0..10 {
            assert!(!budget.spend());
            budget.earn();
        }
        assert!(budget.spend());
        assert!(!budget.spend());
    }
}
