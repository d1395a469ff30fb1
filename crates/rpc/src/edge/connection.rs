//! One connection, as far as it costs something.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gamemesh_domain::Error;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::addresses::AddressPlace;
use super::{Edge, Shared, spending};
use crate::auth::{Principal, Role};

/// Resets are counted over this time.
const RESETS_WINDOW: Duration = Duration::from_secs(10);

/// Nobody who was authenticated has used it.
const STRANGER: u8 = 0;
/// Somebody has.
const KNOWN: u8 = 1;
/// It is being closed for newer ones.
const ENDED: u8 = 2;

/// What is counted for one connection. Each of its requests has it as an extension, as an `Arc`.
#[derive(Debug)]
pub struct Connection {
    edge: Edge,
    address: IpAddr,
    is_from_proxy: bool,
    /// Of the address, and of whom a proxy stands for where the connection is one WebSocket.
    _place: Option<AddressPlace>,
    behind: OnceLock<AddressPlace>,
    standing: AtomicU8,
    /// Where the connections of its first caller are counted, and whether he has bounds.
    caller: OnceLock<(usize, bool)>,
    receiving: AtomicUsize,
    /// Calls whose answers are not over.
    open: AtomicUsize,
    answered: AtomicU64,
    /// Calls whose request broke off: they are answered, and nobody is there for it.
    broken_off: AtomicU64,
    resets: Mutex<Resets>,
    ending: CancellationToken,
}

#[derive(Debug)]
struct Resets {
    since: Instant,
    answered_before: u64,
    count: u64,
}

/// A call that has begun, until its answer is over.
#[derive(Debug)]
pub struct OpenCall {
    connection: Arc<Connection>,
    is_answered: bool,
}

impl Connection {
    pub(super) fn new(
        edge: &Edge,
        address: IpAddr,
        is_from_proxy: bool,
        place: Option<AddressPlace>,
    ) -> Arc<Self> {
        let resets = Resets { since: Instant::now(), answered_before: 0, count: 0 };
        Arc::new(Self {
            edge: edge.clone(),
            address,
            is_from_proxy,
            _place: place,
            behind: OnceLock::new(),
            // Who comes through a proxy shares its connections with others.
            standing: AtomicU8::new(if is_from_proxy { KNOWN } else { STRANGER }),
            caller: OnceLock::new(),
            receiving: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            broken_off: AtomicU64::new(0),
            resets: Mutex::new(resets),
            ending: CancellationToken::new(),
        })
    }

    /// Fires when it costs too much: it is then closed.
    pub const fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Where a request comes from: whom a trusted proxy stands for, or who is connected.
    pub fn address_of(&self, headers: &HeaderMap) -> IpAddr {
        let forwarded = self.is_from_proxy.then(|| self.edge.forwarded_for(headers)).flatten();
        forwarded.unwrap_or(self.address)
    }

    pub fn is_known(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == KNOWN
    }

    /// Somebody who was authenticated calls. Refused if the first one of this connection has too many.
    pub fn used_by(&self, principal: &Principal) -> Result<(), Error> {
        if self.is_known() {
            return Ok(());
        }
        let at = self.edge.enter_caller(principal)?;
        if self.caller.set((at, principal.role != Role::Admin)).is_err() {
            // Another call was the first.
            self.edge.leave_caller(at);
            return Ok(());
        }
        self.used_by_us();
        Ok(())
    }

    /// Another process of ours calls, on behalf of whomever: what counts was counted there.
    pub fn used_by_us(&self) {
        if !self.is_known() {
            match self.standing.swap(KNOWN, Ordering::AcqRel) {
                KNOWN => {}
                standing => self.edge.left_strangers(standing == ENDED),
            }
        }
    }

    /// Whether this caller may read in batches, pages and histories now, or after how long.
    pub fn may_read(&self, principal: &Principal) -> Result<(), Error> {
        let wait = self.read_wait(principal);
        if wait.is_zero() { Ok(()) } else { Err(spending::refused(wait)) }
    }

    pub fn read_wait(&self, principal: &Principal) -> Duration {
        self.edge.0.spending.wait(self.edge.caller_at(principal))
    }

    /// Counts what this caller has read.
    pub fn has_read(&self, principal: &Principal, items: usize, bytes: usize) {
        let is_server = matches!(principal.role, Role::GameServer | Role::Analyst | Role::Admin);
        self.edge.0.spending.spend(self.edge.caller_at(principal), is_server, items, bytes);
    }

    /// Closes it for newer ones, unless it is known by now.
    pub(super) fn end(&self) -> bool {
        let ended =
            self.standing.compare_exchange(STRANGER, ENDED, Ordering::AcqRel, Ordering::Acquire);
        if ended.is_ok() {
            self.ending.cancel();
        }
        ended.is_ok()
    }

    /// The place of whom a proxy stands for; `None` where the connection itself has one.
    pub fn forwarded_place(&self, headers: &HeaderMap) -> Result<Option<AddressPlace>, Error> {
        match self.is_from_proxy {
            true => self.edge.enter_forwarded(headers),
            false => Ok(None),
        }
    }

    /// Gives this place back with the connection.
    pub fn keep(&self, place: AddressPlace) {
        let _ = self.behind.set(place);
    }

    /// A call begins.
    pub fn begin(self: &Arc<Self>) -> OpenCall {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenCall { connection: Arc::clone(self), is_answered: false }
    }

    /// Calls that are open, and how many were answered so far.
    pub fn activity(&self) -> (usize, u64) {
        (self.open.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed))
    }

    /// The client has broken the rules of the protocol: its address has a pause.
    pub fn bar_address(&self) {
        if !self.is_from_proxy {
            self.edge.bar(self.address);
        }
    }

    /// The client has reset a call in the middle of its request.
    pub(super) fn broke_off(&self) {
        self.broken_off.fetch_add(1, Ordering::Relaxed);
        self.reset();
    }

    fn reset(&self) {
        let broken_off = self.broken_off.load(Ordering::Relaxed);
        let answered = self.answered.load(Ordering::Relaxed).saturating_sub(broken_off);
        let max = self.edge.0.resets_max;
        let is_over = {
            let mut resets = self.resets.lock();
            if resets.since.elapsed() > RESETS_WINDOW {
                *resets = Resets { since: Instant::now(), answered_before: answered, count: 0 };
            }
            resets.count += 1;
            resets.count > max + answered.saturating_sub(resets.answered_before)
        };
        if is_over && !self.ending.is_cancelled() {
            self.ending.cancel();
            self.edge.0.counts.resets.inc();
            self.bar_address();
        }
    }

    /// Where what is counted for its first caller is, unless he has no bounds.
    pub(super) fn bounded_caller(&self) -> Option<usize> {
        self.caller.get().filter(|(_, is_bounded)| *is_bounded).map(|(at, _)| *at)
    }

    pub(super) fn edge(&self) -> &Shared {
        &self.edge.0
    }

    pub(super) const fn receiving(&self) -> &AtomicUsize {
        &self.receiving
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some((at, _)) = self.caller.get() {
            self.edge.leave_caller(*at);
        }
        match *self.standing.get_mut() {
            KNOWN => {}
            standing => self.edge.left_strangers(standing == ENDED),
        }
    }
}

impl OpenCall {
    /// The answer has begun; its body may last.
    pub fn answered(&mut self) {
        self.is_answered = true;
        self.connection.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.connection.open.fetch_sub(1, Ordering::Relaxed);
        if !self.is_answered {
            self.connection.reset();
        }
    }
}
