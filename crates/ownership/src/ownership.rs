//! The owners of the lanes as this instance knows them, and its calls in flight.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error};
use gamemesh_repository::{Lane, LaneLeases};
use gamemesh_rpc::forward::Mark;
use gamemesh_rpc::peer::Peer;
use gamemesh_rpc::tls::Connector;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::OwnershipMetrics;
use crate::snapshot::{Owner, OwnershipSnapshot};

/// How long a call waits, on an instance that finds its lease over, for a newer snapshot.
const REFRESH_MAX: Duration = Duration::from_secs(1);

/// What an instance needs to own lanes.
#[derive(Clone)]
pub struct OwnedLanes {
    pub leases: Arc<dyn LaneLeases>,
    /// `host:port` at which the others reach this instance.
    pub address: String,
    /// How long an owner that is not heard of keeps its lanes.
    pub lease: Duration,
    /// Of the calls that are forwarded.
    pub mark: Mark,
    /// Opens the connections to the others.
    pub connector: Connector,
}

/// The owners of the lanes of one log.
pub struct Ownership {
    snapshot: watch::Sender<Arc<OwnershipSnapshot>>,
    /// Calls in flight here, for each lane.
    in_flight: Box<[AtomicUsize]>,
    /// One of those counts has come to 0.
    idle: Notify,
    /// Somebody found the lease over.
    pub(crate) found_over: Notify,
    pub(crate) metrics: OwnershipMetrics,
}

/// Where a call belongs.
pub enum Route {
    Here(LaneGuard),
    There(Arc<Peer>),
}

/// A call in flight here; dropping it ends that. A lane is handed over when its last guard is dropped, or
/// a little later.
pub struct LaneGuard {
    ownership: Arc<Ownership>,
    lane: Lane,
}

impl Ownership {
    pub fn new(lanes: u16, metrics: OwnershipMetrics) -> Self {
        let unknown = OwnershipSnapshot::unknown(lanes, Instant::now());
        Self {
            snapshot: watch::Sender::new(Arc::new(unknown)),
            in_flight: (0..lanes).map(|_| AtomicUsize::new(0)).collect(),
            idle: Notify::new(),
            found_over: Notify::new(),
            metrics,
        }
    }

    /// Number of lanes of the log.
    pub fn lanes(&self) -> u16 {
        self.in_flight.len() as u16
    }

    /// Where a call that writes to this lane belongs: a hint. Whatever is written is compared and set at
    /// the log, so a lane without an owner that can be called is written here.
    pub async fn route(self: &Arc<Self>, lane: Lane) -> Route {
        // Counted before the snapshot is read: a hand-over changes the snapshot and then waits for the
        // count.
        let guard = self.enter(lane);
        let mut snapshot = self.snapshot();
        if snapshot.must_be_refreshed(Instant::now()) {
            snapshot = self.refreshed(snapshot).await;
        }
        match snapshot.owner(lane) {
            Owner::Peer(peer) if peer.channel().is_some() => Route::There(peer.clone()),
            _ => Route::Here(guard),
        }
    }

    /// Returns when a lane belongs to somebody else than now, as far as this instance knows: whoever passes
    /// on a stream of the present owner's ends it then, also where the owner hangs.
    pub async fn changes_hands(&self, lane: Lane) {
        let address = |snapshot: &OwnershipSnapshot| match snapshot.owner(lane) {
            Owner::Peer(peer) => Some(peer.address().to_owned()),
            _ => None,
        };
        let mut snapshots = self.snapshot.subscribe();
        let present = address(&snapshots.borrow_and_update());
        // The sender lives as long as `self`.
        let _ = snapshots.wait_for(|snapshot| address(snapshot) != present).await;
    }

    /// Whether the lease holds. Without one the instance is degraded, since every call is still answered.
    pub fn check(&self) -> Result<(), Error> {
        if self.snapshot.borrow().is_over(Instant::now()) {
            return Err(Error::new(
                Code::DependencyUnavailable,
                "this instance has no lease: it owns no lane, and writes beside the owners",
            ));
        }
        Ok(())
    }

    /// Counts a call as in flight here.
    pub fn enter(self: &Arc<Self>, lane: Lane) -> LaneGuard {
        if let Some(count) = self.in_flight.get(usize::from(lane.0)) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        LaneGuard { ownership: self.clone(), lane }
    }

    pub(crate) fn snapshot(&self) -> Arc<OwnershipSnapshot> {
        self.snapshot.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<OwnershipSnapshot>> {
        self.snapshot.subscribe()
    }

    pub(crate) fn publish(&self, snapshot: OwnershipSnapshot) {
        self.metrics.owned.set(snapshot.owned() as i64);
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    /// The snapshot that comes after this one, or this one if none comes soon.
    async fn refreshed(&self, known: Arc<OwnershipSnapshot>) -> Arc<OwnershipSnapshot> {
        self.found_over.notify_one();
        let mut snapshots = self.snapshot.subscribe();
        let newer = snapshots.wait_for(|snapshot| !Arc::ptr_eq(snapshot, &known));
        match tokio::time::timeout(REFRESH_MAX, newer).await {
            Ok(Ok(snapshot)) => snapshot.clone(),
            _ => known,
        }
    }

    /// Returns when no call of this lane is in flight here.
    pub(crate) async fn idle(&self, lane: Lane) {
        let Some(count) = self.in_flight.get(usize::from(lane.0)) else { return };
        loop {
            let idle = self.idle.notified();
            if count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        let count = self.ownership.in_flight.get(usize::from(self.lane.0));
        if count.is_some_and(|count| count.fetch_sub(1, Ordering::AcqRel) == 1) {
            self.ownership.idle.notify_waiters();
        }
    }
}

impl fmt::Debug for OwnedLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, lease, .. } = self;
        f.debug_struct("OwnedLanes").field("address", address).field("lease", lease).finish()
    }
}
