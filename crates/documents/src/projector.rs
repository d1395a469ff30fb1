//! The projector: keeps the tables of current states, and the service's summary, a little behind the log.
//!
//! The cursor is written in one transaction with the last of its rows, so a crash skips nothing; what it
//! repeats leads to the same rows. The summary travels with the cursor as a row of its own.

mod lane;
mod pace;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_domain::{Code, Error, Result};
use gamemesh_feed::Cut;
use gamemesh_repository::{Cursors, DocumentTables, EventLog, Lane, Position};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::lane::LaneProjector;
use crate::{Documents, Summary};

/// How long a list waits for the tables.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

pub struct Projector {
    /// Of its cursors.
    name: &'static str,
    /// Position up to which the tables are written, by lane.
    written: Vec<watch::Sender<Position>>,
    /// The summary has been folded up to here, by lane.
    folded: Vec<watch::Sender<Position>>,
    /// Positions up to which somebody waits for the tables, by lane.
    wanted: Vec<AtomicU64>,
    flush: Notify,
}

impl Projector {
    /// Goes on where the store says that the projection ended.
    pub(crate) async fn open(
        log: &dyn EventLog,
        cursors: &dyn Cursors,
        tables: &dyn DocumentTables,
        service: &'static str,
        summary: Option<&dyn Summary>,
    ) -> Result<Self> {
        let (mut written, mut folded) = (Vec::new(), Vec::new());
        for lane in (0..log.lanes()).map(Lane) {
            let position = cursors.cursor(service, lane).await?.position;
            written.push(watch::Sender::new(position));
            folded.push(watch::Sender::new(match summary {
                Some(summary) => restore(tables, summary, lane).await?,
                None => position,
            }));
        }
        let wanted = written.iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Self { name: service, written, folded, wanted, flush: Notify::new() })
    }

    /// The projection whose cursors tell how far the tables are written.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Everything that the summary has folded.
    pub fn folded_cut(&self) -> Cut {
        let lanes = (0..).map(Lane).zip(&self.folded);
        Cut(lanes.map(|(lane, folded)| (lane, *folded.borrow())).collect())
    }

    /// Waits until the summary has folded everything up to a cut.
    pub async fn folded(&self, cut: &Cut) -> Result<()> {
        reach(&self.folded, cut).await
    }

    /// Waits until the tables hold everything up to a cut.
    pub async fn written(&self, cut: &Cut) -> Result<()> {
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

/// Takes a lane's part of the summary from its row. Another instance may write it between two reads, so the
/// row says itself how far it is.
async fn restore(
    tables: &dyn DocumentTables,
    summary: &dyn Summary,
    lane: Lane,
) -> Result<Position> {
    let (category, key) = summary.row_key(lane);
    Ok(match tables.aggregate(category, &key).await? {
        Some(row) => summary.restore(lane, &row)?,
        None => 0,
    })
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

pub(crate) async fn run(documents: Arc<Documents>, stop: CancellationToken) {
    let lanes = documents.feed.lanes().map(|lane| LaneProjector::new(&documents, lane).run(&stop));
    futures::future::join_all(lanes).await;
}
