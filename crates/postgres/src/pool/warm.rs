//! The connections that were used last. Whoever comes next gets one of them, where the pool would hand out
//! the one that has rested the longest: a backend that has just worked has its tables, its plans and its
//! memory at hand, and forty that take turns have not.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;

/// Beyond so many, connections go back to the pool at once.
const KEPT_MAX: usize = 8;

/// Whoever has rested for longer goes back to the pool, which closes what nobody needs and asks what was
/// idle whether it still lives.
pub(super) const REST_MAX: Duration = Duration::from_millis(1_000);

/// Whoever has worked for so long goes back to the pool, which replaces what is old.
const TURN_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Warm(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The one that was used last is the last.
    resting: Vec<Resting>,
    is_closed: bool,
}

struct Resting {
    lent: Lent,
    since: Instant,
}

/// A connection that the pool has lent.
pub(super) struct Lent {
    pub(super) connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Lent {
    pub(super) fn now(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, since: Instant::now() }
    }
}

impl Warm {
    /// The connection that was used last, unless that is too long ago or it may have ended: then all go
    /// back to the pool.
    pub(super) fn take(&self, may_have_ended: impl FnOnce(Duration) -> bool) -> Option<Lent> {
        let mut kept = self.0.lock();
        let Resting { lent, since } = kept.resting.pop()?;
        let rest = since.elapsed();
        if rest < REST_MAX && lent.since.elapsed() < TURN_MAX && !may_have_ended(rest) {
            return Some(lent);
        }
        let all = std::mem::take(&mut kept.resting);
        drop((kept, lent, all));
        None
    }

    /// Keeps a connection whose work is done.
    pub(super) fn keep(&self, lent: Lent) {
        let mut kept = self.0.lock();
        if !kept.is_closed && kept.resting.len() < KEPT_MAX {
            kept.resting.push(Resting { lent, since: Instant::now() });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().resting.len()
    }

    /// Gives all back to the pool, and whatever is to be kept from now on.
    pub(super) fn close(&self) {
        let mut kept = self.0.lock();
        kept.is_closed = true;
        let all = std::mem::take(&mut kept.resting);
        drop((kept, all));
    }
}
