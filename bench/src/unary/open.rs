//! Open loops: calls that are made when they are due, whoever has been answered by then.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use hdrhistogram::Histogram;

use super::connection::Connection;
use super::put;
use crate::exit::{Outcome, Problem};
use crate::load::{LoadArgs, WARM_UP};
use crate::server::Server;

/// Calls of a connection that are under way at once, as many as a server lets one have. Beyond it calls wait, and
/// the wait counts as latency.
const UNDER_WAY_MAX: usize = 1_000;
/// How long a connection waits for answers before it looks at what is due.
const TICK: Duration = Duration::from_millis(1);

/// Numbered calls of the method at `path`.
pub(crate) struct Calls<F> {
    pub(crate) path: &'static str,
    pub(crate) request: F,
}

impl<M, F> Calls<F>
where
    M: prost::Message + 'static,
    F: Fn(u64) -> M + Clone + Send + 'static,
{
    /// Latencies in microseconds at so many calls a second. A call's latency begins when it is due, so that a
    /// server that stands still is charged for everybody who would have called meanwhile.
    pub(crate) async fn at_rate(
        &self,
        server: &Server,
        load: &LoadArgs,
        rate: f64,
    ) -> Outcome<Histogram<u64>> {
        self.on(server.address(), load.connections.into(), rate, load.duration).await
    }

    pub(crate) async fn on(
        &self,
        address: &str,
        connections: u64,
        rate: f64,
        duration: Duration,
    ) -> Outcome<Histogram<u64>> {
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(Connection::open(address, self.path).await?);
        }
        let begins = Instant::now();
        let total = ((duration + WARM_UP).as_secs_f64() * rate) as u64;
        let running = opened.into_iter().zip(0..).map(|(connection, first)| {
            let schedule = Schedule { begins, rate, next: first, step: connections, total };
            tokio::spawn(run(connection, schedule, self.request.clone()))
        });
        let mut histogram = histogram()?;
        for latencies in try_join_all(running).await.map_err(Problem::failed)? {
            histogram.add(latencies?).map_err(Problem::failed)?;
        }
        Ok(histogram)
    }
}

/// When the calls of one connection are due: every `step`th of all.
struct Schedule {
    begins: Instant,
    rate: f64,
    next: u64,
    step: u64,
    total: u64,
}

impl Schedule {
    /// When the next call is due; `None` after the last.
    fn due(&self) -> Option<Instant> {
        let after = Duration::from_secs_f64(self.next as f64 / self.rate);
        (self.next < self.total).then(|| self.begins + after)
    }

    /// The next call, if it is due.
    fn take(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.due().filter(|due| *due <= now)?;
        let n = self.next;
        self.next += self.step;
        Some((n, due))
    }
}

async fn run<M: prost::Message>(
    mut connection: Connection<Instant>,
    mut schedule: Schedule,
    request: impl Fn(u64) -> M,
) -> Outcome<Histogram<u64>> {
    let mut latencies = histogram()?;
    let counted_from = schedule.begins + WARM_UP;
    while schedule.due().is_some() || connection.under_way() > 0 {
        let now = Instant::now();
        while connection.has_room()
            && connection.under_way() < UNDER_WAY_MAX
            && let Some((n, due)) = schedule.take(now)
        {
            connection.call(due, |out| put(&request(n), out));
        }
        connection.flush().await?;
        tokio::select! {
            read = connection.read() => read?,
            () = tokio::time::sleep(TICK), if schedule.due().is_some() => continue,
        }
        let now = Instant::now();
        connection.take_in(|due| {
            if due >= counted_from {
                latencies.saturating_record(now.duration_since(due).as_micros() as u64);
            }
        })?;
    }
    Ok(latencies)
}

fn histogram() -> Outcome<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(Problem::failed)
}
