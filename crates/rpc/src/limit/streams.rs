//! How many streams one caller has open: watches, subscriptions, streams of updates and of game servers.
//! They are no calls in flight: each may last for hours and do nothing.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error};

use crate::auth::{Principal, Role};
use crate::config::Limits;

/// Callers are counted in so many places by a hash of their names.
const CALLERS: usize = 4_096;

/// When a caller with too many streams should come back.
const RETRY: Duration = Duration::from_secs(1);

/// Counts the open streams of each caller. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    callers: Box<[AtomicU32]>,
    hasher: RandomState,
    player_max: u32,
    server_max: u32,
}

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub struct OpenStream {
    counted: Arc<Counted>,
    caller: usize,
}

impl Streams {
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counted {
            callers: (0..CALLERS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            player_max: limits.player_streams_max,
            server_max: limits.server_streams_max,
        }))
    }

    /// One more stream of this caller; administrators have no bound.
    pub fn open(&self, principal: &Principal) -> Result<OpenStream, Error> {
        let counted = &self.0;
        let caller = counted.hasher.hash_one(&*principal.subject) as usize % CALLERS;
        let max = match principal.role {
            Role::Admin => u32::MAX,
            Role::GameServer => counted.server_max,
            Role::Player | Role::Spectator | Role::Analyst => counted.player_max,
        };
        let before = counted.callers[caller].fetch_add(1, Ordering::AcqRel);
        let open = OpenStream { counted: Arc::clone(counted), caller };
        if before >= max {
            let what = "this caller has too many streams open";
            let error = Error::new(Code::Overloaded, what).with_fact("streamsMax", max);
            return Err(error.with_retry_after(RETRY));
        }
        Ok(open)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.counted.callers[self.caller].fetch_sub(1, Ordering::AcqRel);
    }
}
