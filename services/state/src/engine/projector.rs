//! The projector: keeps the tables of current states, players and matches, and the global state, a
//! little behind the log.
//!
//! Rows and cursor are written in one transaction, so a crash repeats nothing and skips nothing. The
//! global state travels with them as a row of its own.

mod global;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::state::Aggregate;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{
    Cursor, Event, EventLog, Lane, LogError, Position, Projected, Projections, StreamName,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::global::Global;
use super::Engine;
use super::feed::{Applied, Read};
use super::types::TYPE_CATEGORY;
use super::{history, stored};
use crate::convert;
use crate::token::Cut;

/// Name of the projection in the store.
pub(crate) const PROJECTION: &str = "state";

/// Events that are looked at before their rows are written, and read from the log at once.
const EVENTS_MAX: usize = 2_000;

/// How long rows may wait for more.
const FLUSH_DELAY: Duration = Duration::from_millis(100);

/// How long to wait before trying again what the store refused.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// How long a list waits for the tables.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Projector {
    /// Position up to which the tables are written, by lane.
    written: Vec<watch::Sender<Position>>,
    global: Mutex<Global>,
    /// The global state has been folded up to here, by lane.
    folded: Vec<watch::Sender<Position>>,
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
        Ok(Self { written, folded, global: Mutex::new(global), flush: Notify::new() })
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
        let behind = |&(lane, position): &(Lane, Position)| {
            self.written.get(usize::from(lane.0)).is_some_and(|w| *w.borrow() < position)
        };
        if cut.0.iter().any(behind) {
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

/// Projects one lane.
struct LaneProjector<'a> {
    engine: &'a Arc<Engine>,
    lane: Lane,
    /// Looked at up to here.
    position: Position,
    /// Written up to here.
    written: Position,
    /// What has changed since.
    changed: HashMap<StreamName, Arc<Aggregate>>,
}

impl<'a> LaneProjector<'a> {
    fn new(engine: &'a Arc<Engine>, lane: Lane) -> Self {
        let projector = &engine.projector;
        let written = *projector.written[usize::from(lane.0)].borrow();
        let position = *projector.folded[usize::from(lane.0)].borrow();
        Self { engine, lane, position, written, changed: HashMap::new() }
    }

    async fn run(mut self, stop: &CancellationToken) {
        let mut released = self.engine.feed.released(self.lane);
        loop {
            let step = async {
                while self.position < *released.borrow_and_update() {
                    self.take().await?;
                    if self.changed.len() >= self.engine.config.projection_rows_max
                        || self.position.saturating_sub(self.written) >= EVENTS_MAX as u64
                    {
                        self.write().await?;
                    }
                }
                Ok::<_, LogError>(())
            };
            if let Err(error) = step.await {
                tracing::warn!(%error, lane = self.lane.0, "the projection could not go on");
                self.engine.metrics.projection_failures.inc();
                tokio::time::sleep(RETRY_DELAY).await;
                if stop.is_cancelled() {
                    return;
                }
                continue;
            }
            let pending = self.position > self.written;
            let flush = tokio::select! {
                // Changes come before the end: what is released when the end comes is still written.
                biased;
                () = self.engine.projector.flush.notified() => true,
                changed = released.changed() => changed.is_err(),
                () = tokio::time::sleep(FLUSH_DELAY), if pending => true,
                () = stop.cancelled() => true,
            };
            if flush
                && pending
                && let Err(error) = self.write().await
            {
                tracing::warn!(%error, lane = self.lane.0, "the projection could not be written");
                tokio::time::sleep(RETRY_DELAY).await;
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Looks at the next events.
    async fn take(&mut self) -> Result<(), LogError> {
        match self.engine.feed.read(self.lane, self.position, EVENTS_MAX) {
            Read::Events(events) => {
                for applied in events {
                    self.look(&applied);
                }
            }
            Read::Behind => {
                let log = &self.engine.log;
                for event in log.read_lane(self.lane, self.position, EVENTS_MAX).await? {
                    let before = self.before(&event).await?;
                    self.look(&stored::apply(before, event)?);
                }
            }
        }
        self.engine.projector.folded[usize::from(self.lane.0)].send_replace(self.position);
        Ok(())
    }

    /// The aggregate before an event: as it was looked at last, as the table has it, or folded.
    async fn before(&self, event: &Event) -> Result<Arc<Aggregate>, LogError> {
        let (stream, version) = (&event.stream, event.version - 1);
        if let Some(aggregate) = self.changed.get(stream).filter(|a| a.version == version) {
            return Ok(aggregate.clone());
        }
        let row = self.engine.projections.aggregate(stream.category(), stream.key()).await?;
        let row = row.filter(|row| row.version == version);
        match row.and_then(|row| history::decode_row(stream, &row)) {
            Some(aggregate) => Ok(Arc::new(aggregate)),
            None => self.engine.history.state_at(stream, version).await,
        }
    }

    fn look(&mut self, applied: &Applied) {
        let stream = &applied.event.stream;
        if stream.category() == TYPE_CATEGORY {
            self.learn_type(&applied.after);
        }
        self.engine.projector.global.lock().apply(self.lane, applied);
        self.changed.insert(stream.clone(), applied.after.clone());
        self.position = applied.event.position;
    }

    fn learn_type(&self, aggregate: &Aggregate) {
        let Some(state) = aggregate.present() else { return };
        let learned = convert::schema::declaration_from_state(state)
            .and_then(|declaration| self.engine.types.put(declaration, aggregate.version));
        if let Err(error) = learned {
            tracing::error!(%error, "a stored type cannot be used");
        }
    }

    async fn write(&mut self) -> Result<(), LogError> {
        let global = self.engine.projector.global.lock().row(self.lane);
        let mut projected = Projected {
            from: self.written,
            to: Cursor {
                projection: PROJECTION.to_owned(),
                lane: self.lane,
                position: self.position,
            },
            aggregates: vec![global],
            players: Vec::new(),
            matches: Vec::new(),
        };
        for (stream, aggregate) in &self.changed {
            projected.aggregates.push(rows::aggregate(stream, aggregate));
            match stream.category() {
                "player" => projected.players.push(rows::player(stream, aggregate)),
                "match" => projected.matches.push(rows::match_state(stream, aggregate)),
                _ => {}
            }
        }
        match self.engine.projections.project(projected).await {
            Ok(()) => self.written = self.position,
            // Another instance has written. What it has not written yet is still in `changed`, and
            // writing the rest again changes nothing.
            Err(LogError::Fenced) => {
                let projections = &self.engine.projections;
                self.written = projections.cursor(PROJECTION, self.lane).await?.position;
            }
            Err(error) => return Err(error),
        }
        if self.written >= self.position {
            self.changed.clear();
        }
        self.engine.projector.written[usize::from(self.lane.0)].send_replace(self.written);
        Ok(())
    }
}
