//! What clients cost before it is known who they are: one [`Edge`] for each process, and one
//! [`Connection`] for each connection. A request carries its connection as an extension.

mod addresses;
mod connection;
mod proxies;
mod received;
mod spending;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gamemesh_domain::{Code, Error};
use http::HeaderMap;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::auth::{Principal, Role};
use crate::config::{Limits, Listen};
use crate::metrics::Metrics;
pub use addresses::AddressPlace;
use addresses::{Addresses, NoPlace};
pub use connection::{Connection, OpenCall};
pub use proxies::Network;
use received::Pace;
pub use received::Received;
use spending::Spending;

/// Callers' connections are counted in so many places, by a hash of their names.
const CALLERS: usize = 4_096;

/// When a caller with too many connections should come back.
const RETRY: Duration = Duration::from_secs(1);

/// What all connections of a process share. Clones are the same.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    receiving: AtomicUsize,
    receiving_max: usize,
    /// Of each caller, where callers are counted.
    caller_receiving: Box<[AtomicUsize]>,
    connection_receiving_max: usize,
    pace: Pace,
    addresses: Arc<Addresses>,
    proxies: Vec<Network>,
    strangers: AtomicUsize,
    /// Of these, those that are being closed.
    strangers_ended: AtomicUsize,
    strangers_max: usize,
    /// The oldest first; those who are known by now, or gone, leave it when they come to be the oldest.
    newcomers: Mutex<VecDeque<Weak<Connection>>>,
    callers: Box<[AtomicU32]>,
    hasher: RandomState,
    player_max: u32,
    server_max: u32,
    resets_max: u64,
    spending: Spending,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    receiving_bytes: Gauge,
    receiving_refused: Counter,
    receiving_late: Counter,
    strangers: Gauge,
    refused: Family<Reason, Counter>,
    resets: Counter,
}

const REASONS: [&str; 6] = ["address", "paused", "strangers", "caller", "forwarded", "oldest"];

/// Why a connection was refused or ended: one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Edge {
    pub fn new(listen: &Listen, limits: &Limits, metrics: &Metrics) -> Self {
        let shared = Shared {
            receiving: AtomicUsize::new(0),
            receiving_max: limits.receiving_bytes_max,
            caller_receiving: (0..CALLERS).map(|_| AtomicUsize::new(0)).collect(),
            connection_receiving_max: limits.connection_receiving_bytes_max,
            pace: Pace {
                grace: limits.body_grace,
                bytes_per_second_min: limits.body_bytes_per_second_min,
            },
            addresses: Addresses::new(listen.connections_per_address_max, listen.reset_pause),
            proxies: listen.trusted_proxies.clone(),
            strangers: AtomicUsize::new(0),
            strangers_ended: AtomicUsize::new(0),
            strangers_max: listen.stranger_connections_max,
            newcomers: Mutex::default(),
            callers: (0..CALLERS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            player_max: listen.connections_per_player_max,
            server_max: listen.connections_per_server_max,
            resets_max: listen.resets_max as u64,
            spending: Spending::new(
                CALLERS,
                limits.player_bytes_per_second,
                limits.server_bytes_per_second,
            ),
            counts: Counts::default(),
        };
        shared.counts.register(metrics);
        Self(Arc::new(shared))
    }

    /// A new connection; `None` if its address has no place for it.
    pub fn open(&self, address: IpAddr) -> Option<Arc<Connection>> {
        let shared = &*self.0;
        if shared.proxies.iter().any(|network| network.contains(address)) {
            return Some(Connection::new(self, address, true, None));
        }
        let refused = |no_place| {
            let reason = match no_place {
                NoPlace::TooMany => "address",
                NoPlace::Barred => "paused",
            };
            shared.counts.refuse(reason);
        };
        let place = shared.addresses.enter(address).map_err(refused).ok()?;
        let connection = Connection::new(self, address, false, Some(place));
        let strangers = shared.strangers.fetch_add(1, Ordering::AcqRel) + 1;
        shared.counts.strangers.inc();
        let mut newcomers = shared.newcomers.lock();
        newcomers.push_back(Arc::downgrade(&connection));
        let ended = shared.strangers_ended.load(Ordering::Acquire);
        if strangers.saturating_sub(ended) > shared.strangers_max {
            shared.end_oldest(&mut newcomers);
        }
        if newcomers.len() > 2 * strangers + CALLERS {
            newcomers.retain(|one| one.upgrade().is_some_and(|one| !one.is_known()));
        }
        drop(newcomers);
        // Some cannot be ended at once: a WebSocket that says who it is with its first frame.
        if strangers > 2 * shared.strangers_max {
            shared.counts.refuse("strangers");
            return None;
        }
        Some(connection)
    }

    fn caller_at(&self, principal: &Principal) -> usize {
        self.0.hasher.hash_one(&*principal.subject) as usize % CALLERS
    }

    fn enter_caller(&self, principal: &Principal) -> Result<usize, Error> {
        let shared = &*self.0;
        let at = self.caller_at(principal);
        let max = match principal.role {
            Role::Admin => 0,
            Role::GameServer => shared.server_max,
            Role::Player | Role::Spectator | Role::Analyst => shared.player_max,
        };
        let before = shared.callers[at].fetch_add(1, Ordering::AcqRel);
        if max > 0 && before >= max {
            self.leave_caller(at);
            shared.counts.refuse("caller");
            return Err(too_many("this caller has too many connections", max as usize));
        }
        Ok(at)
    }

    fn leave_caller(&self, at: usize) {
        self.0.callers[at].fetch_sub(1, Ordering::AcqRel);
    }

    fn left_strangers(&self, was_ended: bool) {
        if was_ended {
            self.0.strangers_ended.fetch_sub(1, Ordering::AcqRel);
        }
        self.0.strangers.fetch_sub(1, Ordering::AcqRel);
        self.0.counts.strangers.dec();
    }

    fn enter_forwarded(&self, headers: &HeaderMap) -> Result<Option<AddressPlace>, Error> {
        let Some(address) = self.forwarded_for(headers) else { return Ok(None) };
        let addresses = &self.0.addresses;
        addresses.enter(address).map(Some).map_err(|_| {
            self.0.counts.refuse("forwarded");
            too_many("this address has too many calls open", addresses.each_max())
        })
    }

    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        proxies::forwarded_for(headers, &self.0.proxies)
    }

    fn bar(&self, address: IpAddr) {
        self.0.addresses.bar(address);
    }
}

fn too_many(what: &str, max: usize) -> Error {
    Error::new(Code::Overloaded, what).with_fact("connectionsMax", max).with_retry_after(RETRY)
}

impl Shared {
    fn end_oldest(&self, newcomers: &mut VecDeque<Weak<Connection>>) {
        while let Some(oldest) = newcomers.pop_front() {
            let Some(oldest) = oldest.upgrade() else { continue };
            self.strangers_ended.fetch_add(1, Ordering::AcqRel);
            if oldest.end() {
                self.counts.refuse("oldest");
                return;
            }
            self.strangers_ended.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Counts {
    fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    fn register(&self, metrics: &Metrics) {
        // A family shows nothing before it has counted something.
        for reason in REASONS {
            drop(self.refused.get_or_create(&Reason { reason }));
        }
        metrics.register(|registry| {
            registry.register(
                "gamemesh_receiving_bytes",
                "Bytes of request bodies that are being received or worked on",
                self.receiving_bytes.clone(),
            );
            registry.register(
                "gamemesh_receiving_refused",
                "Requests refused because too many bytes were being received",
                self.receiving_refused.clone(),
            );
            registry.register(
                "gamemesh_receiving_late",
                "Requests refused because their message came too slowly",
                self.receiving_late.clone(),
            );
            registry.register(
                "gamemesh_connections_strangers",
                "Connections on which nobody was authenticated yet",
                self.strangers.clone(),
            );
            registry.register(
                "gamemesh_connections_limited",
                "Connections refused or ended for a bound, by which",
                self.refused.clone(),
            );
            registry.register(
                "gamemesh_connections_reset_ended",
                "Connections ended because their client gave up too many calls",
                self.resets.clone(),
            );
        });
    }
}
