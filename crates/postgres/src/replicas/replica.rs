//! One standby: how far it is, how fast it answers, and whether it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gamemesh_repository::{Incarnation, Lane, LogError, Position};
use parking_lot::Mutex;
use sqlx::{Connection, PgConnection};

use super::lag::Lag;
use crate::connect::{Connector, timely};
use crate::error::{OpenError, log_error};
use crate::pool::Pool;
use crate::tail::Tails;
use crate::{PostgresOptions, schema};

/// A standby that has shown nothing for this time is not asked.
const SILENT_MS_MAX: u64 = 500;

/// A standby that is older than this is not asked, even for what it has.
const AGE_MS_MAX: u64 = 5_000;

/// How long its answer is waited for before the primary is asked.
const REPLY_MS_MAX: u64 = 500;

/// How long a connection to it is waited for.
const CONNECTION_MS_MAX: u64 = 50;

/// Between two observations.
const OBSERVE_MS: u64 = 5;

/// Between two attempts to reach one that is away.
const AWAY_MS: u64 = 250;

pub(crate) struct Replica {
    name: String,
    connector: Connector,
    pub(crate) pool: Pool,
    positions: Box<[AtomicU64]>,
    observed: Mutex<Observed>,
    /// Of its answers to observations, smoothed.
    latency_us: AtomicU64,
    at_work: AtomicU32,
    reads: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct Observed {
    at: Option<Instant>,
    lag: Lag,
}

/// What is told of a standby.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatistics {
    /// `host:port`.
    pub name: String,
    pub is_used: bool,
    /// Since when it lacks something that the primary had.
    pub age: Duration,
    pub latency: Duration,
    pub reads_total: u64,
    /// Reads that it did not answer and the primary did.
    pub failures_total: u64,
}

/// A standby that is being read from.
pub(crate) struct Reading(Arc<Replica>);

impl Replica {
    pub(super) fn new(
        url: &str,
        options: &PostgresOptions,
        lanes: usize,
        connections_max: u32,
    ) -> Result<Self, OpenError> {
        let wait_max = Duration::from_millis(CONNECTION_MS_MAX);
        let options =
            PostgresOptions { read_only: true, connections_min: 0, wait_max, ..options.clone() };
        let mut connector = Connector::new(url, &options)?;
        connector.reply_max = reply_max();
        Ok(Self {
            name: connector.host_and_port(),
            pool: Pool::new(connector.clone(), &options, connections_max),
            connector,
            positions: (0..lanes).map(|_| AtomicU64::new(0)).collect(),
            observed: Mutex::default(),
            latency_us: AtomicU64::new(0),
            at_work: AtomicU32::new(0),
            reads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Everything of a lane up to here can be read.
    pub(super) fn position(&self, lane: Lane) -> Position {
        self.positions.get(usize::from(lane.0)).map_or(0, |at| at.load(Ordering::Acquire))
    }

    pub(super) fn is_usable(&self) -> bool {
        let observed = self.observed.lock();
        let silent_max = Duration::from_millis(SILENT_MS_MAX);
        observed.at.is_some_and(|at| at.elapsed() <= silent_max)
            && observed.lag.age() <= Duration::from_millis(AGE_MS_MAX)
            && self.connector.is_closed()
    }

    /// What an answer is expected to take, and its age: a millisecond behind is as bad as one slower.
    pub(super) fn cost_us(&self) -> u64 {
        let age_us = self.observed.lock().lag.age().as_micros() as u64;
        let waits = 1 + u64::from(self.at_work.load(Ordering::Relaxed));
        self.latency_us.load(Ordering::Relaxed) * waits + age_us
    }

    pub(super) fn statistics(&self) -> ReplicaStatistics {
        ReplicaStatistics {
            name: self.name.clone(),
            is_used: self.is_usable(),
            age: self.observed.lock().lag.age(),
            latency: Duration::from_micros(self.latency_us.load(Ordering::Relaxed)),
            reads_total: self.reads.load(Ordering::Relaxed),
            failures_total: self.failures.load(Ordering::Relaxed),
        }
    }

    /// The latency moves by an eighth of the difference.
    fn observed(&self, began: Instant, ends: Vec<Position>, reached: &[Position]) {
        let took_us = began.elapsed().as_micros() as u64;
        let before_us = self.latency_us.load(Ordering::Relaxed);
        let smoothed_us = if before_us == 0 { took_us } else { (before_us * 7 + took_us) / 8 };
        self.latency_us.store(smoothed_us.max(1), Ordering::Relaxed);
        for (position, reached) in self.positions.iter().zip(reached) {
            position.store(*reached, Ordering::Release);
        }
        let mut observed = self.observed.lock();
        observed.lag.observe(began, ends, reached);
        observed.at = Some(began);
    }

    /// Until it shows again how far it is.
    fn lost(&self) {
        self.observed.lock().at = None;
    }
}

impl Reading {
    pub(super) fn of(replica: Arc<Replica>) -> Self {
        replica.at_work.fetch_add(1, Ordering::Relaxed);
        Self(replica)
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Tells what came of it.
    pub(crate) fn done<T>(&self, result: &Result<T, LogError>) {
        let counter = if result.is_ok() { &self.0.reads } else { &self.0.failures };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Observes a standby until it is ended. One that is away is tried again, also for its breaker.
pub(super) async fn observe(replica: Arc<Replica>, tails: Arc<Tails>, store: Incarnation) {
    let mut is_told = false;
    loop {
        let Err(error) = observe_on_one(&replica, &tails, store, &mut is_told).await;
        replica.lost();
        if !is_told {
            tracing::warn!(replica = replica.name, %error, "reads go on without it");
            is_told = true;
        }
        tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
    }
}

async fn observe_on_one(
    replica: &Replica,
    tails: &Tails,
    store: Incarnation,
    is_told: &mut bool,
) -> Result<std::convert::Infallible, LogError> {
    let mut connection = replica.connector.connect().await?;
    let identity = schema::identity(&replica.connector, &mut connection);
    let identity = timely(reply_max(), identity).await?;
    let identity = identity.map_err(|error| LogError::Unavailable(error.to_string()))?;
    if identity.incarnation != store {
        return Err(LogError::Unavailable("it is a replica of another store".to_owned()));
    }
    loop {
        // Asked before the standby is: what it has then is compared with what there was.
        let (began, ends) = (Instant::now(), tails.positions());
        let seen = timely(reply_max(), progress(&mut connection)).await.and_then(|seen| seen);
        replica.connector.record(&seen);
        let (reached, is_standby) = seen?;
        if !is_standby {
            return Err(LogError::Unavailable("it is no standby any more".to_owned()));
        }
        replica.observed(began, ends, &reached);
        if std::mem::take(is_told) {
            tracing::info!(replica = replica.name, "reads go to it again");
        }
        tokio::time::sleep(Duration::from_millis(OBSERVE_MS)).await;
    }
}

/// How far the lanes have been replayed, and whether the server is a standby: after a failover it would go
/// on by itself, with positions that mean something else.
async fn progress(connection: &mut PgConnection) -> Result<(Vec<Position>, bool), LogError> {
    let rows: Vec<(i64, bool)> =
        sqlx::query_as("SELECT position, pg_is_in_recovery() FROM lane ORDER BY lane")
            .fetch_all(connection)
            .await
            .map_err(log_error)?;
    let is_standby = rows.iter().all(|(_, is_standby)| *is_standby);
    Ok((rows.into_iter().map(|(position, _)| position as Position).collect(), is_standby))
}

const fn reply_max() -> Duration {
    Duration::from_millis(REPLY_MS_MAX)
}

/// What a server that is named as a replica turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standby {
    /// Of this store. The write-ahead log that it has not replayed yet, in bytes.
    Behind(u64),
    OfAnotherStore,
    /// It takes writes of its own.
    Primary,
}

/// Looks at a server that is named as a replica of a store.
pub async fn standby(
    url: &str,
    replica_url: &str,
    options: &PostgresOptions,
) -> Result<Standby, OpenError> {
    let options = PostgresOptions { read_only: true, ..options.clone() };
    let primary = Connector::new(url, &options)?;
    let replica = Connector::new(replica_url, &options)?;
    let failed = |connector: &Connector, source: LogError| OpenError::Log {
        address: connector.address(),
        source,
    };
    let mut at_primary = primary.connect_anyway().await.map_err(|error| failed(&primary, error))?;
    let mut at_replica = replica.connect_anyway().await.map_err(|error| failed(&replica, error))?;
    let store = schema::identity(&primary, &mut at_primary).await?;
    if schema::identity(&replica, &mut at_replica).await?.incarnation != store.incarnation {
        return Ok(Standby::OfAnotherStore);
    }
    let written: i64 = sqlx::query_scalar("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
        .fetch_one(&mut at_primary)
        .await
        .map_err(|error| failed(&primary, log_error(error)))?;
    let replayed: Option<i64> =
        sqlx::query_scalar("SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(&mut at_replica)
            .await
            .map_err(|error| failed(&replica, log_error(error)))?;
    at_primary.close().await.ok();
    at_replica.close().await.ok();
    Ok(match replayed {
        Some(replayed) => Standby::Behind(written.saturating_sub(replayed).max(0) as u64),
        None => Standby::Primary,
    })
}
