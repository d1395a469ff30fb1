//! The connections for everything but appends, behind a bounded wait.

mod warm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gamemesh_guard::{PoolStatistics, QueueError, QueuePermit, WaitQueue};
use gamemesh_repository::LogError;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};

use self::warm::{Lent, REST_MAX, Warm};
use crate::PostgresOptions;
use crate::connect::Connector;
use crate::error::log_error;

/// A connection is replaced after this time, so that a server's memory for it does not only grow.
const LIFETIME: Duration = Duration::from_secs(1_800);

/// Connections that nobody needed for this time are closed, down to the least number.
const IDLE: Duration = Duration::from_secs(300);

/// When a connection last turned out to have ended: whatever ended it may have ended the others that
/// were idle then.
struct Doubt {
    since: Instant,
    /// Microseconds after `since`.
    at_us: AtomicU64,
}

pub(crate) struct Pool {
    connections: PgPool,
    warm: Warm,
    doubt: Arc<Doubt>,
    connector: Connector,
    queue: WaitQueue,
    wait_max: Duration,
}

/// A connection, given back when dropped.
pub(crate) struct Pooled<'a> {
    lent: Lent,
    pool: &'a Pool,
    permit: QueuePermit<'a>,
}

/// Works on a connection of the pool, which is no longer used when it failed.
macro_rules! once {
    ($pool:expr, $connection:ident, $work:expr) => {
        crate::pool::once!($pool, $connection, $work, true)
    };
    ($pool:expr, $connection:ident, $work:expr, $is_last:literal) => {{
        match $pool.get().await {
            Ok(mut pooled) => {
                let reply_max = pooled.reply_max();
                let $connection: &mut sqlx::PgConnection = &mut pooled;
                let working = crate::connect::timely(reply_max, async { $work }).await;
                let is_last = $is_last || working.is_err();
                let result = working.and_then(|result| result);
                pooled.done(&result, is_last);
                result
            }
            Err(error) => Err(error),
        }
    }};
}

/// Reads on a connection of the pool. What fails because the connection has ended is tried once more
/// on one that lives: an idle one does not notice that the server was restarted. (A function that takes
/// the work as an asynchronous closure would do, were its future known to be `Send`.)
macro_rules! read {
    ($pool:expr, $connection:ident, $work:expr) => {{
        match crate::pool::once!($pool, $connection, $work, false) {
            Err(gamemesh_repository::LogError::Unavailable(_)) => {
                crate::pool::once!($pool, $connection, $work)
            }
            other => other,
        }
    }};
}

pub(crate) use {once, read};

impl Pool {
    pub(crate) fn new(
        connector: Connector,
        options: &PostgresOptions,
        connections_max: u32,
    ) -> Self {
        let doubt = Arc::new(Doubt::new());
        let doubted = doubt.clone();
        let connections = PgPoolOptions::new()
            .max_connections(connections_max)
            .min_connections(options.connections_min.min(connections_max))
            .acquire_timeout(options.wait_max)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let asked = meta.idle_for >= REST_MAX || doubted.casts_on(meta.idle_for);
                Box::pin(async move {
                    if !asked {
                        return Ok(true);
                    }
                    sqlx::Connection::ping(connection).await.map(|()| true)
                })
            })
            .connect_lazy_with(connector.options.clone());
        Self {
            connections,
            warm: Warm::default(),
            doubt,
            connector,
            queue: WaitQueue::new(connections_max, options.waiters_max),
            wait_max: options.wait_max,
        }
    }

    /// A connection; refused at once when too many wait, or after the longest wait.
    pub(crate) async fn get(&self) -> Result<Pooled<'_>, LogError> {
        let admitted = self.connector.admit()?;
        let permit = self.queue.acquire(self.wait_max).await.map_err(|refused| match refused {
            QueueError::Full | QueueError::TimedOut => LogError::PoolExhausted,
            QueueError::Closed => LogError::Unavailable("the store is closed".to_owned()),
        })?;
        let acquired = match self.lend().await {
            Ok(mut lent) if admitted.is_probe() => {
                self.connector.probe(&mut lent.connection).await.map(|()| lent)
            }
            // A permit was free: what timed out is the connecting.
            Err(LogError::PoolExhausted) => {
                Err(LogError::Unavailable("no connection in time".to_owned()))
            }
            other => other,
        };
        if admitted.is_probe() || acquired.is_err() {
            self.connector.record(&acquired);
        }
        acquired.map(|lent| Pooled { lent, pool: self, permit })
    }

    async fn lend(&self) -> Result<Lent, LogError> {
        match self.warm.take(|rest| self.doubt.casts_on(rest)) {
            Some(lent) => Ok(lent),
            None => self.connections.acquire().await.map(Lent::now).map_err(log_error),
        }
    }

    pub(crate) fn statistics(&self) -> PoolStatistics {
        let idle = self.connections.num_idle() + self.warm.len();
        self.queue.statistics(idle as u32, self.connector.is_closed())
    }

    pub(crate) async fn close(&self) {
        self.queue.close();
        self.warm.close();
        self.connections.close().await;
    }
}

impl Doubt {
    fn new() -> Self {
        Self { since: Instant::now(), at_us: AtomicU64::new(0) }
    }

    fn arise(&self) {
        self.at_us.fetch_max(self.now_us(), Ordering::Relaxed);
    }

    /// Whether a connection that has been idle for so long was idle when the doubt arose.
    fn casts_on(&self, idle_for: Duration) -> bool {
        let idle_since_us = self.now_us().saturating_sub(idle_for.as_micros() as u64);
        idle_since_us <= self.at_us.load(Ordering::Relaxed)
    }

    fn now_us(&self) -> u64 {
        self.since.elapsed().as_micros() as u64
    }
}

impl Pooled<'_> {
    /// How long an answer is waited for.
    pub(crate) fn reply_max(&self) -> Duration {
        self.pool.connector.reply_max
    }

    /// Tells what came of the work. That a connection had ended while it was idle says nothing of the
    /// server; the next try does, if there is one.
    pub(crate) fn done<T>(mut self, result: &Result<T, LogError>, is_last: bool) {
        let lost = matches!(result, Err(LogError::Unavailable(_) | LogError::Unresolved(_)));
        if is_last || !lost {
            self.pool.connector.record(result);
        }
        if lost {
            self.pool.doubt.arise();
            self.lent.connection.close_on_drop();
            return;
        }
        // Whoever gets the permit finds the connection.
        let Self { lent, pool, permit } = self;
        pool.warm.keep(lent);
        drop(permit);
    }
}

impl std::ops::Deref for Pooled<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lent.connection
    }
}

impl std::ops::DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lent.connection
    }
}
