//! Load: closed loops for throughput, open ones for latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use futures::future::{BoxFuture, try_join_all};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::exit::{Outcome, Problem};

/// How much load, and for how long.
#[derive(Debug, Clone, Args)]
pub(super) struct LoadArgs {
    /// Interleaved pairs of baseline and product for each measure; medians are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) pairs: u32,
    /// Length of each half of a pair
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// Concurrent clients
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) clients: u16,
    /// Connections that the clients share
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) connections: u16,
}

impl LoadArgs {
    /// What the figures of a run rest on, for scripts.
    pub(super) fn setting(&self, durability: &str) -> serde_json::Value {
        json!({
            "pairs": self.pairs,
            "seconds": self.duration.as_secs_f64(),
            "clients": self.clients,
            "connections": self.connections,
            "cores": cores(),
            "pinThreads": pins_threads(),
            "release": !cfg!(debug_assertions),
            "durability": durability,
        })
    }

    /// The same for people.
    pub(super) fn heading(&self, durability: &str) -> String {
        format!(
            "Medians of {} interleaved pairs of {:?} each; {} clients on {} connections; {} cores, load generator included{}; durable = {durability}.",
            self.pairs,
            self.duration,
            self.clients,
            self.connections,
            cores(),
            if pins_threads() { "; servers with pin-threads=on" } else { "" },
        )
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// Servers under test have it from this process's environment.
fn pins_threads() -> bool {
    std::env::var("PIN_THREADS").is_ok_and(|set| set == "on")
}

/// Runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// Calls of an open loop that are under way at once; beyond it the loop waits, and the wait counts
/// as latency.
const IN_FLIGHT_MAX: usize = 8_192;
/// Pause of an open loop between looking at what is due.
const TICK: Duration = Duration::from_millis(1);

/// One call; it answers how many units it did.
pub(super) type Operation = Box<dyn FnMut() -> BoxFuture<'static, Outcome<u64>> + Send>;

/// Units a second of these workers, each making one call after the other.
pub(super) async fn closed(workers: Vec<Operation>, duration: Duration) -> Outcome<f64> {
    let begins = Instant::now() + WARM_UP;
    let ends = begins + duration;
    let done = Arc::new(AtomicU64::new(0));
    let running = workers.into_iter().map(|mut call| {
        let done = done.clone();
        tokio::spawn(async move {
            loop {
                let units = call().await?;
                let now = Instant::now();
                if now >= ends {
                    return Ok::<(), Problem>(());
                }
                if now >= begins {
                    done.fetch_add(units, Ordering::Relaxed);
                }
            }
        })
    });
    for worker in try_join_all(running).await.map_err(Problem::failed)? {
        worker?;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / duration.as_secs_f64())
}

/// Latencies in microseconds at a fixed rate. A call's latency begins when it is due, so that a
/// server that stands still is charged for everybody who would have called meanwhile.
pub(super) async fn open<F>(
    rate: f64,
    duration: Duration,
    mut call: impl FnMut(u64) -> F,
) -> Outcome<Histogram<u64>>
where
    F: Future<Output = Outcome<()>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let (sender, mut latencies) = tokio::sync::mpsc::unbounded_channel::<Outcome<u64>>();
    let begins = Instant::now();
    let total = ((duration + WARM_UP).as_secs_f64() * rate) as u64;
    let due = |n: u64| begins + Duration::from_secs_f64(n as f64 / rate);
    let mut sent = 0;
    while sent < total {
        while sent < total && due(sent) <= Instant::now() {
            let slot = slots.clone().acquire_owned().await.map_err(Problem::failed)?;
            let (work, sender, due) = (call(sent), sender.clone(), due(sent));
            let counted = due >= begins + WARM_UP;
            tokio::spawn(async move {
                let result = work.await;
                let took = due.elapsed().as_micros() as u64;
                if counted || result.is_err() {
                    let _ = sender.send(result.map(|()| took));
                }
                drop(slot);
            });
            sent += 1;
        }
        tokio::time::sleep(TICK).await;
    }
    drop(sender);
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).map_err(Problem::failed)?;
    while let Some(took) = latencies.recv().await {
        histogram.saturating_record(took?);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_open_loop_charges_a_stall_to_everybody_who_would_have_called() {
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        let begins = Instant::now();
        let histogram = open(200.0, Duration::from_secs(1), |_| {
            let lock = lock.clone();
            async move {
                let _held = lock.lock().await;
                // The server stands still for half a second, once.
                let since = begins.elapsed();
                if since > WARM_UP && since < WARM_UP + Duration::from_millis(20) {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(())
            }
        })
        .await
        .unwrap();
        assert!(histogram.value_at_quantile(0.7) > 50_000, "coordinated omission");
    }

    #[tokio::test]
    async fn a_failed_call_fails_the_measurement() {
        let failing =
            || -> Operation { Box::new(|| Box::pin(async { Err(Problem::failed("no")) })) };
        assert!(closed(vec![failing()], Duration::from_millis(10)).await.is_err());
        let open = open(100.0, Duration::from_millis(50), |_| async { Err(Problem::failed("no")) });
        assert!(open.await.is_err());
    }
}
