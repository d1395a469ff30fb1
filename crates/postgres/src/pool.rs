//! The connections for everything but appends, behind a bounded wait.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gamemesh_repository::LogError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::PostgresOptions;
use crate::connect::Connector;
use crate::error::log_error;

/// A connection that was idle for longer is asked whether it still lives before it is used.
const UNASKED_MS_MAX: u64 = 1_000;

/// A connection is replaced after this time, so that a server's memory for it does not only grow.
const LIFETIME: Duration = Duration::from_secs(1_800);

/// Connections that nobody needed for this time are closed, down to the least number.
const IDLE: Duration = Duration::from_secs(300);

pub(crate) struct Pool {
    connections: PgPool,
    connector: Connector,
    free: Semaphore,
    connections_max: u32,
    waiters_max: usize,
    wait_max: Duration,
    waiters: AtomicUsize,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    acquired: AtomicU64,
    waited: AtomicU64,
    wait_us: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
}

/// The state of the pool now, and counters since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatistics {
    pub connections_max: u32,
    pub in_use: u32,
    pub idle: u32,
    pub waiters: u32,
    pub acquired_total: u64,
    /// Of those, how many had to wait, and how long all of them together.
    pub waited_total: u64,
    pub wait_us_total: u64,
    /// Callers refused at once because too many waited.
    pub refused_total: u64,
    /// Callers refused after the longest wait.
    pub timed_out_total: u64,
    /// Whether the server is taken to be there; the writers go by the same breaker.
    pub breaker_is_closed: bool,
}

/// A connection, given back when dropped.
pub(crate) struct Pooled<'a> {
    connection: PoolConnection<Postgres>,
    connector: &'a Connector,
    _free: SemaphorePermit<'a>,
}

/// Works on a connection of the pool, which is no longer used when it failed.
macro_rules! once {
    ($pool:expr, $connection:ident, $work:expr) => {{
        match $pool.get().await {
            Ok(mut pooled) => {
                let reply_max = pooled.reply_max();
                let $connection: &mut sqlx::PgConnection = &mut pooled;
                let working = crate::connect::timely(reply_max, async { $work });
                let result = working.await.and_then(|result| result);
                pooled.done(&result);
                result
            }
            Err(error) => Err(error),
        }
    }};
}

/// Reads on a connection of the pool. What fails because the connection has ended is tried once more
/// on another: an idle one does not notice that the server was restarted. (A function that takes
/// the work as an asynchronous closure would do, were its future known to be `Send`.)
macro_rules! read {
    ($pool:expr, $connection:ident, $work:expr) => {{
        match crate::pool::once!($pool, $connection, $work) {
            Err(gamemesh_repository::LogError::Unavailable(_)) => {
                crate::pool::once!($pool, $connection, $work)
            }
            other => other,
        }
    }};
}

pub(crate) use {once, read};

/// A place in the line, given up when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Pool {
    pub(crate) fn new(
        connector: Connector,
        options: &PostgresOptions,
        connections_max: u32,
    ) -> Self {
        let connections = PgPoolOptions::new()
            .max_connections(connections_max)
            .min_connections(options.connections_min.min(connections_max))
            .acquire_timeout(options.wait_max)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for < Duration::from_millis(UNASKED_MS_MAX) {
                        return Ok(true);
                    }
                    sqlx::Connection::ping(connection).await.map(|()| true)
                })
            })
            .connect_lazy_with(connector.options.clone());
        Self {
            connections,
            connector,
            free: Semaphore::new(connections_max as usize),
            connections_max,
            waiters_max: options.waiters_max as usize,
            wait_max: options.wait_max,
            waiters: AtomicUsize::new(0),
            counters: Counters::default(),
        }
    }

    /// A connection; refused at once when too many wait, or after the longest wait.
    pub(crate) async fn get(&self) -> Result<Pooled<'_>, LogError> {
        let probes = self.connector.gate.enter()?;
        let free = self.wait().await?;
        self.counters.acquired.fetch_add(1, Ordering::Relaxed);
        let acquired = match self.connections.acquire().await.map_err(log_error) {
            Ok(mut connection) if probes => {
                self.connector.probe(&mut connection).await.map(|()| connection)
            }
            // A permit was free: what timed out is the connecting.
            Err(LogError::PoolExhausted) => {
                Err(LogError::Unavailable("no connection in time".to_owned()))
            }
            other => other,
        };
        if probes || acquired.is_err() {
            self.connector.gate.note(&acquired);
        }
        let connector = &self.connector;
        acquired.map(|connection| Pooled { connection, connector, _free: free })
    }

    pub(crate) fn statistics(&self) -> PoolStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStatistics {
            connections_max: self.connections_max,
            in_use: self.connections_max - self.free.available_permits() as u32,
            idle: self.connections.num_idle() as u32,
            waiters: self.waiters.load(Ordering::Relaxed) as u32,
            acquired_total: count(&self.counters.acquired),
            waited_total: count(&self.counters.waited),
            wait_us_total: count(&self.counters.wait_us),
            refused_total: count(&self.counters.refused),
            timed_out_total: count(&self.counters.timed_out),
            breaker_is_closed: self.connector.gate.is_closed(),
        }
    }

    pub(crate) async fn close(&self) {
        self.free.close();
        self.connections.close().await;
    }

    async fn wait(&self) -> Result<SemaphorePermit<'_>, LogError> {
        if let Ok(free) = self.free.try_acquire() {
            return Ok(free);
        }
        let place = Place(&self.waiters);
        if self.waiters.fetch_add(1, Ordering::Relaxed) >= self.waiters_max {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(LogError::PoolExhausted);
        }
        let began = Instant::now();
        let waited = tokio::time::timeout(self.wait_max, self.free.acquire()).await;
        drop(place);
        self.counters.waited.fetch_add(1, Ordering::Relaxed);
        self.counters.wait_us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        match waited {
            Ok(Ok(free)) => Ok(free),
            Ok(Err(_)) => Err(LogError::Unavailable("the store is closed".to_owned())),
            Err(_) => {
                self.counters.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(LogError::PoolExhausted)
            }
        }
    }
}

impl Pooled<'_> {
    /// How long an answer is waited for.
    pub(crate) fn reply_max(&self) -> Duration {
        self.connector.reply_max
    }

    /// Tells what came of the work.
    pub(crate) fn done<T>(mut self, result: &Result<T, LogError>) {
        self.connector.gate.note(result);
        if matches!(result, Err(LogError::Unavailable(_) | LogError::Unresolved(_))) {
            self.connection.close_on_drop();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::ops::Deref for Pooled<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
