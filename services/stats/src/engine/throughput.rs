//! How fast events are counted just now.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Figures are those of this time.
const WINDOW: Duration = Duration::from_secs(10);

/// Blocks of the window that are remembered; beyond, the window is shorter.
const BLOCKS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Throughput(Mutex<VecDeque<(Instant, u64, Duration)>>);

impl Throughput {
    /// So many events were counted, the first of them so long after its arrival.
    pub(crate) fn note(&self, events: u64, latency: Duration) {
        let mut blocks = self.0.lock();
        if blocks.len() == BLOCKS_MAX {
            blocks.pop_front();
        }
        blocks.push_back((Instant::now(), events, latency));
    }

    /// Events a second, and their mean latency.
    pub(crate) fn now(&self) -> (f64, Duration) {
        let mut blocks = self.0.lock();
        while blocks.front().is_some_and(|(at, ..)| at.elapsed() > WINDOW) {
            blocks.pop_front();
        }
        let events: u64 = blocks.iter().map(|(_, events, _)| events).sum();
        let weighted: f64 =
            blocks.iter().map(|(_, events, latency)| *events as f64 * latency.as_secs_f64()).sum();
        let mean = Duration::from_secs_f64(weighted / events.max(1) as f64);
        (events as f64 / WINDOW.as_secs_f64(), mean)
    }
}
