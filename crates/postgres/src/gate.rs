//! The breaker with a clock: what every way to the server goes through.

use std::time::Instant;

use gamemesh_repository::LogError;
use parking_lot::Mutex;

use crate::breaker::{Admission, Breaker};

pub(crate) struct Gate {
    origin: Instant,
    breaker: Mutex<Breaker>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), breaker: Mutex::new(Breaker::new()) }
    }

    /// Whether the caller is the one who finds out if the server is back; refused while it is taken
    /// to be away.
    pub(crate) fn enter(&self) -> Result<bool, LogError> {
        match self.breaker.lock().admit(self.origin.elapsed()) {
            Admission::Pass => Ok(false),
            Admission::Probe => Ok(true),
            Admission::Refuse => {
                Err(LogError::Unavailable("PostgreSQL has not answered lately".to_owned()))
            }
        }
    }

    /// Notes what came of it. Only a server out of reach counts as a failure.
    pub(crate) fn note<T>(&self, result: &Result<T, LogError>) {
        let mut breaker = self.breaker.lock();
        match result {
            Err(LogError::Unavailable(_)) => breaker.failed(self.origin.elapsed()),
            _ => breaker.succeeded(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.breaker.lock().is_closed()
    }
}
