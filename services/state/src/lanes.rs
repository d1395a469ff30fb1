//! Which of several instances writes to which lane.
//!
//! An affinity, never a licence: whoever writes compares and sets. So every doubt is settled in the
//! simplest way, which is to write here: where a lane has no owner, where its owner is away, where a
//! lease is over and the store does not answer.

mod keeper;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gamemesh_domain::Error;
use gamemesh_repository::{Lane, LaneLeases};
use gamemesh_rpc::forward::Mark;
use gamemesh_rpc::peer::Peer;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use self::keeper::Keeper;
use self::view::{Seat, View};
use crate::metrics::LaneMetrics;

/// How long a call waits for an instance that finds its lease over to learn how things stand.
const LEARN_MAX: Duration = Duration::from_secs(1);

/// What an instance needs to own lanes.
#[derive(Clone)]
pub struct OwnedLanes {
    pub leases: Arc<dyn LaneLeases>,
    /// `host:port` at which the others reach this instance.
    pub address: String,
    /// How long an owner that is not heard of keeps its lanes.
    pub lease: Duration,
    /// Of the calls that are passed on.
    pub mark: Mark,
}

/// The lanes as this instance knows them.
pub(crate) struct Lanes {
    view: watch::Sender<Arc<View>>,
    /// Calls at work here, for each lane.
    at_work: Box<[AtomicUsize]>,
    /// One of those counts came to nothing.
    rested: Notify,
    /// Somebody found the lease over.
    found_over: Notify,
    pub(crate) metrics: LaneMetrics,
}

/// Where a call belongs.
pub(crate) enum Route {
    Here(AtWork),
    There(Arc<Peer>),
}

/// A call at work here; dropping it ends that.
pub(crate) struct AtWork {
    lanes: Arc<Lanes>,
    lane: Lane,
}

impl Lanes {
    pub(crate) fn new(count: u16, metrics: LaneMetrics) -> Self {
        Self {
            view: watch::Sender::new(Arc::new(View::unknown(count, Instant::now()))),
            at_work: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            rested: Notify::new(),
            found_over: Notify::new(),
            metrics,
        }
    }

    pub(crate) fn count(&self) -> u16 {
        self.at_work.len() as u16
    }

    /// Where a call that writes to this lane belongs.
    pub(crate) async fn route(self: &Arc<Self>, lane: Lane) -> Route {
        // Counted before the view is looked at: who hands a lane over changes the view and then waits
        // for the count.
        let at_work = self.enter(lane);
        let mut view = self.view.borrow().clone();
        if view.must_be_learnt(Instant::now()) {
            view = self.learn(view).await;
        }
        match view.seat(lane) {
            Seat::Theirs(peer) if peer.channel().is_some() => Route::There(peer.clone()),
            _ => Route::Here(at_work),
        }
    }

    /// Whether the lease is over: degraded, since every call is still answered.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.view.borrow().is_over(Instant::now()) {
            return Err(Error::new(
                gamemesh_domain::Code::DependencyUnavailable,
                "this instance has no lease: it owns no lane, and writes beside the owners",
            ));
        }
        Ok(())
    }

    pub(crate) fn enter(self: &Arc<Self>, lane: Lane) -> AtWork {
        if let Some(count) = self.at_work.get(usize::from(lane.0)) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        AtWork { lanes: self.clone(), lane }
    }

    /// The view that comes after this one, or this one if none comes soon.
    async fn learn(&self, known: Arc<View>) -> Arc<View> {
        self.found_over.notify_one();
        let mut views = self.view.subscribe();
        let learnt = views.wait_for(|view| !Arc::ptr_eq(view, &known));
        match tokio::time::timeout(LEARN_MAX, learnt).await {
            Ok(Ok(view)) => view.clone(),
            _ => known,
        }
    }

    fn publish(&self, view: View) {
        self.metrics.owned.set(view.owned() as i64);
        self.view.send_replace(Arc::new(view));
    }

    /// Until no call of this lane is at work here.
    async fn rest(&self, lane: Lane) {
        let Some(count) = self.at_work.get(usize::from(lane.0)) else { return };
        loop {
            let rested = self.rested.notified();
            if count.load(Ordering::Acquire) == 0 {
                return;
            }
            rested.await;
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let count = self.lanes.at_work.get(usize::from(self.lane.0));
        if count.is_some_and(|count| count.fetch_sub(1, Ordering::AcqRel) == 1) {
            self.lanes.rested.notify_waiters();
        }
    }
}

impl fmt::Debug for OwnedLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, lease, .. } = self;
        f.debug_struct("OwnedLanes").field("address", address).field("lease", lease).finish()
    }
}
