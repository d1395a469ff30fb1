//! How much one caller, and all of them together, may ask for.

mod in_flight;
mod streams;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gamemesh_domain::{Code, Error};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::auth::{Principal, Role};
use crate::config::Limits;
use crate::methods::Class;
pub use in_flight::{InFlight, Place, Slot, Standing};
pub use streams::{OpenStream, Streams};

/// After so many checks the callers whose allowance is full again are forgotten, so that memory
/// follows the callers of now and not those of all time.
const CHECKS_BETWEEN_SWEEPS: u64 = 65_536;

/// Rates by principal, with an allowance of one second's requests to be used at once.
pub struct Rates {
    player_reads: Option<Rate>,
    player_writes: Option<Rate>,
    server_reads: Option<Rate>,
    server_writes: Option<Rate>,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        Self {
            player_reads: Rate::new(limits.player_reads_per_second),
            player_writes: Rate::new(limits.player_writes_per_second),
            server_reads: Rate::new(limits.server_reads_per_second),
            server_writes: Rate::new(limits.server_writes_per_second),
        }
    }

    pub fn check(&self, principal: &Principal, class: Class) -> Result<(), Error> {
        let server = matches!(principal.role, Role::GameServer | Role::Admin | Role::Analyst);
        let rate = match (class, server) {
            (Class::Read, false) => &self.player_reads,
            (Class::Write, false) => &self.player_writes,
            (Class::Read, true) => &self.server_reads,
            (Class::Write, true) => &self.server_writes,
            (Class::Probe | Class::Reflection, _) => return Ok(()),
        };
        rate.as_ref().map_or(Ok(()), |rate| rate.check(&principal.subject, class))
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

struct Rate {
    limiter: DefaultKeyedRateLimiter<Arc<str>>,
    per_second: NonZeroU32,
    checks: AtomicU64,
}

impl Rate {
    fn new(per_second: u32) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let limiter = RateLimiter::keyed(Quota::per_second(per_second));
        Some(Self { limiter, per_second, checks: AtomicU64::new(0) })
    }

    fn check(&self, subject: &Arc<str>, class: Class) -> Result<(), Error> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS
            == CHECKS_BETWEEN_SWEEPS - 1
        {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(subject).map_err(|refused| {
            let kind = if class == Class::Read { "reads" } else { "writes" };
            let wait = refused.wait_time_from(DefaultClock::default().now());
            Error::new(Code::RateLimited, format!("more than {} {kind} a second", self.per_second))
                .with_fact("limitPerSecond", self.per_second)
                .with_retry_after(wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn callers_do_not_spend_each_others_allowance() {
        let limits = Limits {
            player_reads_per_second: 2,
            player_writes_per_second: 1,
            server_reads_per_second: 0,
            server_writes_per_second: 3,
            in_flight_max: 1,
            in_flight_player_max: 1,
            in_flight_server_max: 1,
            player_streams_max: 1,
            server_streams_max: 1,
            player_bytes_per_second: 0,
            server_bytes_per_second: 0,
            receiving_bytes_max: 1,
            connection_receiving_bytes_max: 1,
            body_grace: Duration::from_secs(1),
            body_bytes_per_second_min: 1,
            request_bytes_max: 1,
            deadline_max: Duration::from_secs(1),
        };
        let rates = Rates::new(&limits);
        let who =
            |subject: &str, role| Principal { subject: subject.into(), role, player_id: None };
        let (ann, bob) = (who("ann", Role::Player), who("bob", Role::Player));
        let passed = |principal: &Principal, class| {
            (0..10).filter(|_| rates.check(principal, class).is_ok()).count()
        };
        assert_eq!(passed(&ann, Class::Read), 2);
        assert_eq!(passed(&ann, Class::Write), 1);
        assert_eq!(passed(&bob, Class::Read), 2);
        assert_eq!(passed(&who("gs", Role::GameServer), Class::Read), 10);
        assert_eq!(passed(&who("gs", Role::GameServer), Class::Write), 3);
        assert_eq!(passed(&ann, Class::Probe), 10);
    }
}
