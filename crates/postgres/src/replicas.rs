//! Reading from standbys, where nobody can notice.
//!
//! A standby answers for a stream once it has replayed everything that this instance knows of the stream:
//! what was acknowledged here, what was read here, and what others have told. So a caller sees his own
//! writes, and whoever waits for a token sees what it names, whichever server answers. What that cannot be
//! said of is read from the primary, as is whatever a standby does not answer.

mod known;
mod lag;
mod replica;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_repository::{Event, Incarnation, Lane, Position, StreamName, seeded_defect};
use tokio::task::JoinHandle;

use self::known::Known;
use self::replica::observe;
pub(crate) use self::replica::{Reading, Replica};
pub use self::replica::{ReplicaStatistics, Standby, standby};
use crate::PostgresOptions;
use crate::error::OpenError;
use crate::tail::Tails;

/// Of so many reads that a standby could answer, one goes to the primary: it stays warm for the time when
/// all fall to it.
const PRIMARY_EVERY: u64 = 5;

/// The standbys of one log.
pub(crate) struct Replicas {
    all: Vec<Arc<Replica>>,
    known: Known,
    turn: AtomicU64,
}

impl Replicas {
    /// Standbys at these addresses. They need not be there.
    pub(crate) fn new(
        urls: &[String],
        options: &PostgresOptions,
        lanes: &[Position],
        connections_max: u32,
    ) -> Result<Self, OpenError> {
        let replica = |url: &String| {
            let replica = Replica::new(url, options, lanes.len(), connections_max)?;
            Ok(Arc::new(replica))
        };
        let all = urls.iter().map(replica).collect::<Result<_, _>>()?;
        Ok(Self { all, known: Known::new(lanes), turn: AtomicU64::new(0) })
    }

    /// Watches every standby until it is ended.
    pub(crate) fn watch(
        &self,
        tails: &Arc<Tails>,
        incarnation: Incarnation,
    ) -> Vec<JoinHandle<()>> {
        let watched = self.all.iter();
        watched.map(|one| tokio::spawn(observe(one.clone(), tails.clone(), incarnation))).collect()
    }

    /// This instance knows of an event of a stream.
    pub(crate) fn know(&self, stream: &StreamName, position: Position) {
        if !self.all.is_empty() {
            self.known.raise(stream, position);
        }
    }

    pub(crate) fn know_all(&self, events: &[Event]) {
        for event in events {
            self.know(&event.stream, event.position);
        }
    }

    /// The best standby that has everything which is known of these streams; `None`: the primary.
    pub(crate) fn of_streams<'a>(
        &self,
        streams: &(impl Iterator<Item = &'a StreamName> + Clone),
    ) -> Option<Reading> {
        let lanes = self.known.lanes();
        let unseen = seeded_defect("postgres.replica_behind");
        self.choose(|replica| {
            let mut each = streams.clone();
            unseen
                || each.all(|stream| replica.position(stream.lane(lanes)) >= self.known.of(stream))
        })
    }

    /// The best standby that has these positions of the log.
    pub(crate) fn of_positions(&self, positions: &[(Lane, Position)]) -> Option<Reading> {
        let unseen = seeded_defect("postgres.replica_behind");
        self.choose(|replica| {
            unseen || positions.iter().all(|(lane, position)| replica.position(*lane) >= *position)
        })
    }

    /// The best standby, for what may be as old as a standby may be.
    pub(crate) fn any(&self) -> Option<Reading> {
        self.choose(|_| true)
    }

    /// The one that is expected to answer first, an age counting like a wait.
    fn choose(&self, has: impl Fn(&Replica) -> bool) -> Option<Reading> {
        let can = self.all.iter().filter(|one| one.is_usable() && has(one));
        let best = can.min_by_key(|one| one.cost_us())?;
        if self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(PRIMARY_EVERY) {
            return None;
        }
        Some(Reading::of(best.clone()))
    }

    pub(crate) fn statistics(&self) -> Vec<ReplicaStatistics> {
        self.all.iter().map(|one| one.statistics()).collect()
    }

    pub(crate) async fn close(&self) {
        for one in &self.all {
            one.pool.close().await;
        }
    }
}

/// Reads from a standby, and from the primary where there is none for it or it does not answer.
macro_rules! read_anywhere {
    ($store:expr, $reading:expr, $connection:ident, $work:expr) => {{
        let reading: Option<crate::replicas::Reading> = $reading;
        let answered = match &reading {
            None => None,
            Some(reading) => {
                let result = crate::pool::once!(reading.pool(), $connection, $work);
                reading.done(&result);
                result.ok()
            }
        };
        drop(reading);
        match answered {
            Some(answer) => Ok(answer),
            None => crate::pool::read!($store.pool, $connection, $work),
        }
    }};
}

/// Reads from a standby and returns its answer, if it has what is asked for; goes on otherwise.
macro_rules! read_if_there {
    ($reading:expr, $connection:ident, $work:expr) => {{
        let reading: Option<crate::replicas::Reading> = $reading;
        if let Some(reading) = &reading {
            let result = crate::pool::once!(reading.pool(), $connection, {
                let read: sqlx::Result<Option<_>> = async { $work }.await;
                read.map_err(crate::error::log_error)
            });
            match result {
                // It is not that far, which is no failure of its own.
                Ok(None) => {}
                Ok(Some(answer)) => {
                    reading.done(&Ok(()));
                    return Ok(answer);
                }
                Err(error) => reading.done::<()>(&Err(error)),
            }
        }
    }};
}

pub(crate) use {read_anywhere, read_if_there};
