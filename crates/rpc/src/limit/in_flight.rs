//! How many calls are worked on at once: of all callers, and of each.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gamemesh_domain::{Code, Error};
use parking_lot::Mutex;

use crate::auth::{Principal, Role};
use crate::edge::Received;
use crate::methods::Class;
use crate::service_rate::{BUSY_CALLS, ServiceRate};

/// When a caller who was shed should come back.
const SHED_RETRY: Duration = Duration::from_millis(100);

/// How long a call may have to wait for those before it, also when its caller has more patience: what
/// is in hand when an overload ends is done within this time.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// Callers are counted in so many places by a hash of their names: two that share one share a bound,
/// which is far above what a caller needs, and nobody can choose whom he meets.
const CALLERS: usize = 4_096;

/// One place in so many is kept for administrators, and for calls that the process itself stands for.
const KEPT_ONE_IN: usize = 16;

/// Sheds load when too many calls are being worked on, or when one more would wait for longer than its
/// caller does: work that is answered to nobody is what makes an overloaded server useless.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    now: AtomicUsize,
    max: usize,
    /// What callers who are not privileged may have together.
    common_max: usize,
    callers: Box<[AtomicU32]>,
    hasher: RandomState,
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

/// How a caller stands when places are short.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    caller: Option<u16>,
    share: u32,
    is_privileged: bool,
    /// An administrator who was authenticated: whoever mends an overload is not shed by it.
    is_patient: bool,
}

/// A place among the calls in flight: taken when the call's message has arrived, given back when it is
/// over.
#[derive(Debug)]
pub struct Place {
    counted: Arc<Counted>,
    class: Class,
    standing: Standing,
    timeout: Option<Duration>,
    state: AtomicU8,
    /// The bytes of a large message, while it is worked on.
    received: OnceLock<Received>,
}

/// A place that ends with this.
#[derive(Debug)]
pub struct Slot(Arc<Place>);

/// The message has not arrived.
const AWAITED: u8 = 0;
const HELD: u8 = 1;
/// The answer has begun, or nobody waits for it any more.
const OVER: u8 = 2;

impl InFlight {
    pub fn new(max: usize) -> Self {
        let (reads, writes) = (Busy::default(), Busy::default());
        Self(Arc::new(Counted {
            now: AtomicUsize::new(0),
            max,
            common_max: max - max / KEPT_ONE_IN,
            callers: (0..CALLERS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            reads,
            writes,
            since: Instant::now(),
        }))
    }

    /// How a caller stands who may have so many places at once.
    pub fn standing(&self, principal: &Principal, share: usize) -> Standing {
        if principal.role == Role::Admin {
            return Standing { is_patient: true, ..Standing::PRIVILEGED };
        }
        self.named(&principal.subject, share)
    }

    /// How all those stand together who have not said who they are.
    pub fn strangers(&self, share: usize) -> Standing {
        self.named("", share)
    }

    fn named(&self, name: &str, share: usize) -> Standing {
        let caller = self.0.hasher.hash_one(name) as usize % CALLERS;
        Standing {
            caller: u16::try_from(caller).ok(),
            share: u32::try_from(share).unwrap_or(u32::MAX),
            is_privileged: false,
            is_patient: false,
        }
    }

    /// The place of a call whose caller waits for so long; `None`: he does not say. It is taken when
    /// [`Place::arrived`] is called.
    pub fn place(&self, class: Class, standing: Standing, timeout: Option<Duration>) -> Arc<Place> {
        let counted = self.0.clone();
        let state = AtomicU8::new(AWAITED);
        let received = OnceLock::new();
        Arc::new(Place { counted, class, standing, timeout, state, received })
    }

    /// A place for a call whose message is there.
    pub fn enter(
        &self,
        class: Class,
        standing: Standing,
        timeout: Option<Duration>,
    ) -> Result<Slot, Error> {
        let slot = Slot(self.place(class, standing, timeout));
        slot.0.arrived()?;
        Ok(slot)
    }

    /// Refuses what would be refused whoever it came from, before anything is done for it.
    pub fn check(&self) -> Result<(), Error> {
        if self.now() < self.0.max { Ok(()) } else { Err(full(self.0.max)) }
    }

    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Acquire)
    }
}

impl Standing {
    /// Of what this process stands for: a call of a service, one that another instance passes on, and
    /// every call where nobody is authenticated.
    pub const PRIVILEGED: Self =
        Self { caller: None, share: u32::MAX, is_privileged: true, is_patient: false };
}

impl Place {
    /// The message is there: the call is worked on from now on, or refused.
    pub fn arrived(&self) -> Result<(), Error> {
        if self.state.load(Ordering::Acquire) != AWAITED {
            return Ok(());
        }
        self.take()?;
        let held = self.state.compare_exchange(AWAITED, HELD, Ordering::AcqRel, Ordering::Acquire);
        if held.is_err() {
            self.release();
        }
        Ok(())
    }

    /// Counts the bytes of the message for as long as somebody has this place.
    pub fn keep(&self, received: Received) {
        let _ = self.received.set(received);
    }

    fn take(&self) -> Result<(), Error> {
        let counted = &*self.counted;
        let before = counted.now.fetch_add(1, Ordering::AcqRel);
        let of_class = counted.busy(self.class).now.fetch_add(1, Ordering::AcqRel);
        let of_caller = self.caller().map_or(0, |caller| caller.fetch_add(1, Ordering::AcqRel));
        let refused = self.refusal(before, of_class, of_caller);
        if refused.is_some() {
            self.release();
        }
        refused.map_or(Ok(()), Err)
    }

    fn refusal(&self, before: usize, of_class: usize, of_caller: u32) -> Option<Error> {
        let counted = &*self.counted;
        let max = if self.standing.is_privileged { counted.max } else { counted.common_max };
        if before >= max {
            return Some(full(max));
        }
        if of_caller >= self.standing.share {
            let what = "too many calls of this caller are in flight";
            return Some(
                Error::new(Code::Overloaded, what)
                    .with_fact("inFlightMax", self.standing.share)
                    .with_retry_after(SHED_RETRY),
            );
        }
        if self.standing.is_patient {
            return None;
        }
        // Half of what the caller gives: what is queued behind this call's own work is not known.
        let patience = self.timeout.map_or(WAIT_MAX, |timeout| (timeout / 2).min(WAIT_MAX));
        let wait = counted.wait(self.class, of_class);
        (wait > patience).then(|| {
            Error::new(Code::Overloaded, "the call would wait for too long")
                .with_fact("expectedWaitMs", wait.as_millis())
                .with_retry_after(SHED_RETRY.max(wait - patience).min(WAIT_MAX))
        })
    }

    fn caller(&self) -> Option<&AtomicU32> {
        self.counted.callers.get(usize::from(self.standing.caller?))
    }

    fn release(&self) {
        self.counted.now.fetch_sub(1, Ordering::AcqRel);
        self.counted.busy(self.class).now.fetch_sub(1, Ordering::AcqRel);
        if let Some(caller) = self.caller() {
            caller.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn full(max: usize) -> Error {
    Error::new(Code::Overloaded, "too many calls are in flight")
        .with_fact("inFlightMax", max)
        .with_retry_after(SHED_RETRY)
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
    pub fn of(place: Arc<Place>) -> Self {
        Self(place)
    }

    /// The call was done, not given up: its end tells how fast the server is.
    pub fn done(self) {
        if self.0.state.load(Ordering::Acquire) != HELD {
            return;
        }
        let counted = &*self.0.counted;
        let busy = counted.busy(self.0.class);
        let in_flight = busy.now.load(Ordering::Acquire);
        let is_busy = in_flight >= BUSY_CALLS;
        // The first who is done when the server is no longer busy ends the measurement: what comes after
        // is paced by the callers.
        if is_busy || busy.measured.load(Ordering::Acquire) {
            let mut rate = busy.rate.lock();
            rate.done(in_flight, counted.since.elapsed());
            busy.measured.store(is_busy, Ordering::Release);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.0.state.swap(OVER, Ordering::AcqRel) == HELD {
            self.0.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(in_flight: &InFlight, class: Class, timeout: Option<Duration>) -> Result<Slot, Error> {
        in_flight.enter(class, Standing::PRIVILEGED, timeout)
    }

    fn principal(subject: &str, role: Role) -> Principal {
        Principal { subject: subject.into(), role, player_id: None }
    }

    #[test]
    fn a_refused_call_leaves_no_trace() {
        let in_flight = InFlight::new(2);
        let enter = || enter(&in_flight, Class::Read, None);
        let first = enter().unwrap();
        let _second = enter().unwrap();
        let refused = enter().unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert_eq!(in_flight.now(), 2);
        assert!(in_flight.check().is_err());
        drop(first);
        assert!(in_flight.check().is_ok() && enter().is_ok());
    }

    #[test]
    fn a_call_without_its_message_has_no_place() {
        let in_flight = InFlight::new(2);
        let place = || in_flight.place(Class::Read, Standing::PRIVILEGED, None);
        let waiting: Vec<_> = (0..10).map(|_| place()).collect();
        assert_eq!(in_flight.now(), 0);
        assert_eq!(waiting.iter().filter(|place| place.arrived().is_ok()).count(), 2);
        let slots: Vec<Slot> = waiting.iter().cloned().map(Slot::of).collect();
        drop(slots);
        assert_eq!(in_flight.now(), 0);
        // What comes when the call is over takes nothing.
        assert!(waiting[0].arrived().is_ok());
        assert_eq!(in_flight.now(), 0);
    }

    #[test]
    fn nobody_has_more_than_his_share_and_administrators_keep_theirs() {
        let in_flight = InFlight::new(32);
        let ann = in_flight.standing(&principal("ann", Role::Player), 10);
        let admin = in_flight.standing(&principal("root", Role::Admin), 1);
        let take = |standing, count: usize| -> Vec<Slot> {
            let slots = (0..count).map(|_| in_flight.enter(Class::Read, standing, None));
            slots.filter_map(Result::ok).collect()
        };
        let of_ann = take(ann, 20);
        assert_eq!(of_ann.len(), 10);
        let held: Vec<_> = (0..20)
            .map(|n| take(in_flight.standing(&principal(&n.to_string(), Role::Player), 10), 20))
            .collect();
        assert_eq!(held.iter().map(Vec::len).sum::<usize>() + of_ann.len(), 30);
        assert_eq!(take(admin, 5).len(), 2);
        assert_eq!(in_flight.now(), 30);
    }

    /// Bursts that are done at once, a while between them, say nothing of how long a call would wait.
    #[test]
    fn callers_who_come_in_bursts_are_not_refused() {
        let in_flight = InFlight::new(100_000);
        let enter = || enter(&in_flight, Class::Read, None);
        for _ in 0..12 {
            let burst: Vec<Slot> = (0..BUSY_CALLS + 8).map(|_| enter().unwrap()).collect();
            burst.into_iter().for_each(Slot::done);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[test]
    fn who_would_wait_for_longer_than_he_does_is_refused_and_only_by_his_like() {
        let in_flight = InFlight::new(100_000);
        let enter = |class, timeout| enter(&in_flight, class, Some(timeout));
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
}
