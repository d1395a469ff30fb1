//! Load: how much, and closed loops of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use futures::future::{BoxFuture, try_join_all};
use serde_json::json;

use crate::exit::{Outcome, Problem};

/// How much load, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// Interleaved pairs of baseline and product for each measure; medians are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) pairs: u32,
    /// Length of each half of a pair
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Concurrent clients
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) clients: u16,
    /// Connections that the clients share
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
}

impl LoadArgs {
    /// What the figures of a run rest on, for scripts.
    pub(crate) fn setting(&self, durability: &str) -> serde_json::Value {
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
    pub(crate) fn heading(&self, durability: &str) -> String {
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
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

/// One call; it answers how many units it did.
pub(crate) type Operation = Box<dyn FnMut() -> BoxFuture<'static, Outcome<u64>> + Send>;

/// Units a second of these workers, each making one call after the other.
pub(crate) async fn closed(workers: Vec<Operation>, duration: Duration) -> Outcome<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_call_fails_the_measurement() {
        let failing =
            || -> Operation { Box::new(|| Box::pin(async { Err(Problem::failed("no")) })) };
        assert!(closed(vec![failing()], Duration::from_millis(10)).await.is_err());
    }
}
