//! How much one caller, and all of them together, may ask for.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gamemesh_domain::{Code, Error};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;

use crate::auth::{Principal, Role};
use crate::config::Limits;
use crate::methods::Class;
use crate::service_rate::{BUSY_CALLS, ServiceRate};

/// When a caller who was shed should come back.
const SHED_RETRY: Duration = Duration::from_millis(100);

/// How long a call may have to wait for those before it, also when its caller has more patience: what
/// is in hand when an overload ends is done within this time.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// After so many checks the callers whose allowance is full again are forgotten, so that memory
/// follows the callers of now and not those of all time.
const CHECKS_BETWEEN_SWEEPS: u64 = 65_536;

/// Sheds load when too many calls are being worked on, or when one more would wait for longer than its
/// caller does: work that is answered to nobody is what makes an overloaded server useless.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    now: AtomicUsize,
    max: usize,
    reads: Busy,
    writes: Busy,
    since: Instant,
}

/// Calls that wait for one another: reads do not stand behind writes.
#[derive(Debug, Default)]
struct Busy {
    now: AtomicUsize,
    /// Whether a measurement may be going on.
    measured: AtomicBool,
    rate: Mutex<ServiceRate>,
}

/// A place among the calls in flight; dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    counted: Arc<Counted>,
    class: Class,
}

impl InFlight {
    pub fn new(max: usize) -> Self {
        let (reads, writes) = (Busy::default(), Busy::default());
        let now = AtomicUsize::new(0);
        Self(Arc::new(Counted { now, max, reads, writes, since: Instant::now() }))
    }

    /// A place for a call whose caller waits for so long; `None`: he does not say.
    pub fn enter(&self, class: Class, timeout: Option<Duration>) -> Result<Slot, Error> {
        // The slot comes first: its drop gives the place back when there was none.
        let before = self.0.now.fetch_add(1, Ordering::AcqRel);
        let of_class = self.0.busy(class).now.fetch_add(1, Ordering::AcqRel);
        let slot = Slot { counted: self.0.clone(), class };
        if before >= self.0.max {
            return Err(Error::new(Code::Overloaded, "too many calls are in flight")
                .with_fact("inFlightMax", self.0.max)
                .with_retry_after(SHED_RETRY));
        }
        // Half of what the caller gives: what is queued behind this call's own work is not known.
        let patience = timeout.map_or(WAIT_MAX, |timeout| (timeout / 2).min(WAIT_MAX));
        let wait = self.0.wait(class, of_class);
        if wait > patience {
            return Err(Error::new(Code::Overloaded, "the call would wait for too long")
                .with_fact("expectedWaitMs", wait.as_millis())
                .with_retry_after(SHED_RETRY.max(wait - patience).min(WAIT_MAX)));
        }
        Ok(slot)
    }

    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Acquire)
    }
}

impl Counted {
    fn busy(&self, class: Class) -> &Busy {
        match class {
            Class::Write => &self.writes,
            Class::Read | Class::Probe | Class::Reflection => &self.reads,
        }
    }

    fn wait(&self, class: Class, in_flight: usize) -> Duration {
        match in_flight < BUSY_CALLS {
            true => Duration::ZERO,
            false => self.busy(class).rate.lock().wait(in_flight, self.since.elapsed()),
        }
    }
}

impl Slot {
    /// The call was done, not given up: its end tells how fast the server is.
    pub fn done(self) {
        let busy = self.counted.busy(self.class);
        let in_flight = busy.now.load(Ordering::Acquire);
        let is_busy = in_flight >= BUSY_CALLS;
        // The first who is done when the server is no longer busy ends the measurement: what comes after
        // is paced by the callers.
        if is_busy || busy.measured.load(Ordering::Acquire) {
            let mut rate = busy.rate.lock();
            rate.done(in_flight, self.counted.since.elapsed());
            busy.measured.store(is_busy, Ordering::Release);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counted.now.fetch_sub(1, Ordering::AcqRel);
        self.counted.busy(self.class).now.fetch_sub(1, Ordering::AcqRel);
    }
}

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
    use super::*;

    #[test]
    fn a_refused_call_leaves_no_trace() {
        let in_flight = InFlight::new(2);
        let enter = || in_flight.enter(Class::Read, None);
        let first = enter().unwrap();
        let _second = enter().unwrap();
        let refused = enter().unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert_eq!(in_flight.now(), 2);
        drop(first);
        assert!(enter().is_ok());
    }

    /// Bursts that are done at once, a while between them, say nothing of how long a call would wait.
    #[test]
    fn callers_who_come_in_bursts_are_not_refused() {
        let in_flight = InFlight::new(100_000);
        let enter = || in_flight.enter(Class::Read, None);
        for _ in 0..12 {
            let burst: Vec<Slot> = (0..BUSY_CALLS + 8).map(|_| enter().unwrap()).collect();
            burst.into_iter().for_each(Slot::done);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[test]
    fn who_would_wait_for_longer_than_he_does_is_refused_and_only_by_his_like() {
        let in_flight = InFlight::new(100_000);
        let enter = |class, timeout| in_flight.enter(class, Some(timeout));
        let second = Duration::from_secs(1);
        let mut held: Vec<Slot> =
            (0..1_100).map(|_| enter(Class::Write, second).unwrap()).collect();
        for slot in held.drain(..200) {
            std::thread::sleep(Duration::from_millis(1));
            slot.done();
        }
        // 900 calls of a millisecond or more.
        let refused = enter(Class::Write, second).unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(enter(Class::Read, second).is_ok());
        // Those who gave up tell nothing, and those who are gone are waited for no longer.
        held.truncate(BUSY_CALLS - 1);
        assert!(enter(Class::Write, second).is_ok());
        assert_eq!(in_flight.now(), BUSY_CALLS - 1);
    }

    #[test]
    fn callers_do_not_spend_each_others_allowance() {
        let limits = Limits {
            player_reads_per_second: 2,
            player_writes_per_second: 1,
            server_reads_per_second: 0,
            server_writes_per_second: 3,
            in_flight_max: 1,
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
