//! The circuit breaker of a server: the rule with a clock.

use std::time::Instant;

use parking_lot::Mutex;

use crate::state_machine::{Admission, StateMachine};

/// Refuses calls while the server is taken to be unavailable, and lets one at a time find out if it is back.
#[derive(Debug)]
pub struct CircuitBreaker {
    origin: Instant,
    state: Mutex<StateMachine>,
}

/// A call that is let through, until its result is recorded or it is abandoned.
#[derive(Debug)]
#[must_use = "dropped, it lets the next caller probe"]
pub struct BreakerPermit<'a> {
    breaker: &'a CircuitBreaker,
    is_probe: bool,
}

impl BreakerPermit<'_> {
    /// Whether this call finds out if the server is back: it asks something cheap first.
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }
}

impl Drop for BreakerPermit<'_> {
    /// Once a result is recorded, this changes nothing.
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state.lock().abandoned(self.breaker.origin.elapsed());
        }
    }
}

/// What a result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The server is taken to be unavailable from now on.
    Opened,
    /// It is taken to be available again.
    Closed,
}

/// The server is taken to be unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOpen;

impl CircuitBreaker {
    pub fn new() -> Self {
        Self { origin: Instant::now(), state: Mutex::new(StateMachine::new()) }
    }

    /// Lets the call through, or refuses it at once.
    pub fn try_acquire(&self) -> Result<BreakerPermit<'_>, BreakerOpen> {
        let admission = self.state.lock().admit(self.origin.elapsed());
        match admission {
            Admission::Pass => Ok(BreakerPermit { breaker: self, is_probe: false }),
            Admission::Probe => Ok(BreakerPermit { breaker: self, is_probe: true }),
            Admission::Refuse => Err(BreakerOpen),
        }
    }

    /// Records whether the server was reached, whatever it answered, and says what that changed.
    pub fn record(&self, is_reached: bool) -> Option<Transition> {
        let mut state = self.state.lock();
        let was_closed = state.is_closed();
        if is_reached {
            state.succeeded();
        } else {
            state.failed(self.origin.elapsed());
        }
        match (was_closed, state.is_closed()) {
            (true, false) => Some(Transition::Opened),
            (false, true) => Some(Transition::Closed),
            _ => None,
        }
    }

    /// Whether the server is taken to be available.
    pub fn is_closed(&self) -> bool {
        self.state.lock().is_closed()
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_machine::{FAILURES_MAX, OPEN};

    #[test]
    fn an_abandoned_probe_lets_the_next_caller_probe() {
        let breaker = CircuitBreaker::new();
        for _ in 0..FAILURES_MAX {
            breaker.record(false);
        }
        assert_eq!(breaker.try_acquire().unwrap_err(), BreakerOpen);
        std::thread::sleep(OPEN);
        let first = breaker.try_acquire().unwrap();
        assert!(first.is_probe());
        assert_eq!(breaker.try_acquire().unwrap_err(), BreakerOpen);
        drop(first);
        let second = breaker.try_acquire().unwrap();
        assert!(second.is_probe());
        assert_eq!(breaker.record(true), Some(Transition::Closed));
        drop(second);
        assert!(breaker.is_closed());
        assert!(!breaker.try_acquire().unwrap().is_probe());
    }
}
