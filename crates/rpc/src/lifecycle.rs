//! Where a process is between its start and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// The phases of a process, in order; none is entered twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Migrations and first checks: alive, not ready.
    Starting,
    Serving,
    /// Told to stop: not ready any more. Work in flight finishes.
    Draining,
}

/// Shared knowledge of the phase. Clones are the same process.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: AtomicU8,
    draining: CancellationToken,
    cut: CancellationToken,
}

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        Self::default()
    }

    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// Start-up is done. A process that drains already goes on draining.
    pub fn serve(&self) {
        let _ = self.0.phase.compare_exchange(
            Phase::Starting as u8,
            Phase::Serving as u8,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// The process says that it will end, and goes on for a while: load balancers learn it late.
    pub fn announce(&self) {
        self.0.phase.store(Phase::Draining as u8, Ordering::Release);
    }

    /// Draining begins: no new connection.
    pub fn drain(&self) {
        self.0.phase.store(Phase::Draining as u8, Ordering::Release);
        self.0.draining.cancel();
    }

    /// The drain timeout has passed: what is still open is ended.
    pub fn cut(&self) {
        self.drain();
        self.0.cut.cancel();
    }

    /// Fires when draining begins. Long-lived handlers select on it to hand over in their own way.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Fires when the drain timeout has passed.
    pub fn cutting(&self) -> &CancellationToken {
        &self.0.cut
    }
}
