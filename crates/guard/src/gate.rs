//! The breaker with a clock: what every way to the server goes through.

use std::time::Instant;

use parking_lot::Mutex;

use crate::breaker::{Admission, Breaker};

#[derive(Debug)]
pub struct Gate {
    origin: Instant,
    breaker: Mutex<Breaker>,
}

/// A caller who is let in, until he has told what he found, or gone away without.
#[derive(Debug)]
#[must_use = "dropped, it gives its turn to the next caller"]
pub struct Entry<'a> {
    gate: &'a Gate,
    probes: bool,
}

impl Entry<'_> {
    /// Whether he first asks the server something cheap: he is the one who finds out if it is back.
    pub fn probes(&self) -> bool {
        self.probes
    }
}

impl Drop for Entry<'_> {
    /// Once he has told, this changes nothing.
    fn drop(&mut self) {
        if self.probes {
            self.gate.breaker.lock().gave_up(self.gate.origin.elapsed());
        }
    }
}

/// What a caller's news did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The server is taken to be away from now on.
    Shut,
    /// It is taken to be there again.
    Opened,
}

/// The server is taken to be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;

impl Gate {
    pub fn new() -> Self {
        Self { origin: Instant::now(), breaker: Mutex::new(Breaker::new()) }
    }

    /// Lets the caller in, or refuses him at once.
    pub fn enter(&self) -> Result<Entry<'_>, Away> {
        let admission = self.breaker.lock().admit(self.origin.elapsed());
        match admission {
            Admission::Pass => Ok(Entry { gate: self, probes: false }),
            Admission::Probe => Ok(Entry { gate: self, probes: true }),
            Admission::Refuse => Err(Away),
        }
    }

    /// Notes whether the server was reached, whatever it answered, and tells what that changed.
    pub fn note(&self, reached: bool) -> Option<Turn> {
        let mut breaker = self.breaker.lock();
        let was_closed = breaker.is_closed();
        if reached {
            breaker.succeeded();
        } else {
            breaker.failed(self.origin.elapsed());
        }
        match (was_closed, breaker.is_closed()) {
            (true, false) => Some(Turn::Shut),
            (false, true) => Some(Turn::Opened),
            _ => None,
        }
    }

    /// Whether the server is taken to be there: the breaker is closed.
    pub fn is_closed(&self) -> bool {
        self.breaker.lock().is_closed()
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{FAILURES_MAX, OPEN};

    #[test]
    fn who_goes_away_without_news_leaves_his_turn_to_the_next() {
        let gate = Gate::new();
        for _ in 0..FAILURES_MAX {
            gate.note(false);
        }
        assert_eq!(gate.enter().unwrap_err(), Away);
        std::thread::sleep(OPEN);
        let first = gate.enter().unwrap();
        assert!(first.probes());
        assert_eq!(gate.enter().unwrap_err(), Away);
        drop(first);
        let second = gate.enter().unwrap();
        assert!(second.probes());
        assert_eq!(gate.note(true), Some(Turn::Opened));
        drop(second);
        assert!(gate.is_closed());
        assert!(!gate.enter().unwrap().probes());
    }
}
