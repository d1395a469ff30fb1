//! The projector: keeps the tables of current states, players and matches, and the global state, a
//! little behind the log.
//!
//! The cursor is written in one transaction with the last of its rows, so a crash skips nothing; what it
//! repeats leads to the same rows. The global state travels with the cursor as a row of its own.

mod global;
mod lane;
mod pace;
mod rows;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::Cut;
use gamemesh_repository::{EventLog, Lane, Position, Projections};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::global::Global;
use self::lane::LaneProjector;
use super::Engine;

/// Name of the projection in the store.
pub(crate) const PROJECTION: &str = "state";

/// How long a list waits for the tables.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Projector {
    /// Position up to which the tables are written, by lane.
    written: Vec<watch::Sender<Position>>,
    global: Mutex<Global>,
    /// The global state has been folded up to here, by lane.
    folded: Vec<watch::Sender<Position>>,
    /// Positions up to which somebody waits for the tables, by lane.
    wanted: Vec<AtomicU64>,
    flush: Notify,
}

impl Projector {
    /// Goes on where the store says that the projection ended.
    pub(crate) async fn open(log: &dyn EventLog, projections: &dyn Projections) -> Result<Self> {
        let (mut written, mut folded) = (Vec::new(), Vec::new());
        let mut global = Global::default();
        for lane in (0..log.lanes()).map(Lane) {
            let position = projections.cursor(PROJECTION, lane).await?.position;
            written.push(watch::Sender::new(position));
            let row = projections.aggregate(global::CATEGORY, &global::key(lane)).await?;
            // Another instance may write between the two reads, so the row says itself how far it is.
            folded.push(watch::Sender::new(match row {
                Some(row) => global.restore(lane, &row)?,
                None => 0,
            }));
        }
        let wanted = written.iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Self { written, folded, global: Mutex::new(global), wanted, flush: Notify::new() })
    }

    /// The global state as it has been folded so far.
    pub(crate) fn global(&self) -> global::Part {
        self.global.lock().total()
    }

    /// Everything that the global state has folded.
    pub(crate) fn folded_cut(&self) -> Cut {
        let lanes = (0..).map(Lane).zip(&self.folded);
        Cut(lanes.map(|(lane, folded)| (lane, *folded.borrow())).collect())
    }

    /// Waits until the global state has folded everything up to a cut.
    pub(crate) async fn folded(&self, cut: &Cut) -> Result<()> {
        reach(&self.folded, cut).await
    }

    /// Waits until the tables hold everything up to a cut.
    pub(crate) async fn written(&self, cut: &Cut) -> Result<()> {
        let mut behind = false;
        for &(lane, position) in &cut.0 {
            let lane = usize::from(lane.0);
            let (Some(written), Some(wanted)) = (self.written.get(lane), self.wanted.get(lane))
            else {
                continue;
            };
            if *written.borrow() < position {
                wanted.fetch_max(position, Ordering::Relaxed);
                behind = true;
            }
        }
        if behind {
            self.flush.notify_waiters();
            self.flush.notify_one();
        }
        reach(&self.written, cut).await
    }
}

async fn reach(lanes: &[watch::Sender<Position>], cut: &Cut) -> Result<()> {
    for (lane, position) in &cut.0 {
        let Some(sender) = lanes.get(usize::from(lane.0)) else { continue };
        let mut reached = sender.subscribe();
        let reached = reached.wait_for(|reached| reached >= position);
        if tokio::time::timeout(CATCH_UP_MAX, reached).await.is_err() {
            return Err(Error::new(
                Code::DependencyUnavailable,
                "the tables have not yet caught up with the log; try again",
            )
            .with_retry_after(CATCH_UP_MAX));
        }
    }
    Ok(())
}

pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let lanes = engine.feed.lanes().map(|lane| LaneProjector::new(&engine, lane).run(&stop));
    futures::future::join_all(lanes).await;
}
