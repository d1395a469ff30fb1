//! The breaker with a clock: what every way to the server goes through.

use std::time::Instant;

use parking_lot::Mutex;

use crate::breaker::{Admission, Breaker};

#[derive(Debug)]
pub struct Gate {
    origin: Instant,
    breaker: Mutex<Breaker>,
}

/// What a caller who is let in does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Pass,
    /// He asks the server something cheap: he is the one who finds out if it is back.
    Probe,
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
    pub fn enter(&self) -> Result<Entry, Away> {
        match self.breaker.lock().admit(self.origin.elapsed()) {
            Admission::Pass => Ok(Entry::Pass),
            Admission::Probe => Ok(Entry::Probe),
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
