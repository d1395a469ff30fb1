//! The projector of one lane: examines events as they are released, and writes the rows of what has changed
//! when it is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gamemesh_domain::document::Aggregate;
use gamemesh_feed::Read;
use gamemesh_repository::{Event, Lane, LogError, Position, StreamName};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::pace;
use super::write::Writing;
use crate::Applied;
use crate::Documents;
use crate::types::TYPE_CATEGORY;
use crate::{encoding, history};

/// Events that are examined, and read from the log, at once.
const EVENTS_MAX: usize = 2_000;

/// With so many rows, or events, the rows wait no longer. A start examines these events again.
const WAITING_ROWS_MAX: usize = 16_384;
const WAITING_EVENTS_MAX: u64 = 262_144;

/// While rows are being written, events are examined until so many rows wait; then the lane falls behind,
/// and goes on from the log.
const CHANGED_ROWS_MAX: usize = 65_536;

/// How long to wait before trying again what the store refused.
const RETRY_DELAY: Duration = Duration::from_millis(500);

pub(super) type Changed = HashMap<StreamName, Arc<Aggregate>>;

pub(super) struct LaneProjector<'a> {
    documents: &'a Arc<Documents>,
    lane: Lane,
    /// Examined up to here.
    position: Position,
    /// Written up to here.
    written: Position,
    /// What has changed since, apart from what is being written.
    changed: Changed,
    /// When the first of these changed.
    since: Instant,
    /// How long they wait.
    delay: Duration,
    writing: Option<Writing>,
}

impl<'a> LaneProjector<'a> {
    pub(super) fn new(documents: &'a Arc<Documents>, lane: Lane) -> Self {
        let projector = &documents.projector;
        let written = *projector.written[usize::from(lane.0)].borrow();
        let position = *projector.folded[usize::from(lane.0)].borrow();
        Self {
            documents,
            lane,
            position,
            written,
            changed: Changed::new(),
            since: Instant::now(),
            delay: pace::delay(Duration::ZERO),
            writing: None,
        }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let mut released = self.documents.feed.released(self.lane);
        let mut stopping = false;
        loop {
            while self.has_room() && self.position < *released.borrow_and_update() {
                if let Err(error) = self.take().await {
                    tracing::warn!(%error, lane = self.lane.0, "the projection could not go on");
                    self.failed().await;
                    if stop.is_cancelled() {
                        return;
                    }
                }
            }
            if self.writing.is_none() && self.is_due(stopping) {
                self.begin_write();
            }
            if stopping && self.writing.is_none() {
                return;
            }
            let waits = self.writing.is_none() && self.waiting() > 0;
            let due = self.since + self.delay;
            tokio::select! {
                // Changes come before the end: what is released when the end comes is still written.
                biased;
                () = self.documents.projector.flush.notified() => {}
                outcome = finished(&mut self.writing) => {
                    if let Err(error) = self.finish_write(outcome).await {
                        tracing::warn!(
                            %error, lane = self.lane.0, "the projection could not be written"
                        );
                        self.failed().await;
                        if stop.is_cancelled() {
                            return;
                        }
                    }
                }
                changed = released.changed(), if self.has_room() => stopping |= changed.is_err(),
                () = sleep_until(due), if waits => {}
                () = stop.cancelled(), if !stopping => stopping = true,
            }
        }
    }

    async fn failed(&mut self) {
        self.documents.metrics.projection_failures.inc();
        sleep(RETRY_DELAY).await;
    }

    fn has_room(&self) -> bool {
        self.changed.len() < CHANGED_ROWS_MAX
    }

    /// Events whose rows are not written nor being written.
    fn waiting(&self) -> u64 {
        let written = self.writing.as_ref().map_or(self.written, |writing| writing.to);
        self.position.saturating_sub(written)
    }

    /// Whether it is time to write what waits.
    fn is_due(&self, stopping: bool) -> bool {
        let waiting = self.waiting();
        let wanted = &self.documents.projector.wanted[usize::from(self.lane.0)];
        waiting > 0
            && (stopping
                || waiting >= WAITING_EVENTS_MAX
                || self.changed.len() >= WAITING_ROWS_MAX
                || wanted.load(Ordering::Relaxed) > self.written
                || self.since.elapsed() >= self.delay)
    }

    /// Examines the next events.
    async fn take(&mut self) -> Result<(), LogError> {
        match self.documents.feed.read(self.lane, self.position, EVENTS_MAX) {
            Read::Events(events) => {
                for applied in events {
                    self.examine(&applied);
                }
            }
            Read::Behind => {
                let log = &self.documents.log;
                for event in log.read_lane(self.lane, self.position, EVENTS_MAX).await? {
                    let before = self.before(&event).await?;
                    self.examine(&encoding::apply(before, event)?);
                }
            }
        }
        self.documents.projector.folded[usize::from(self.lane.0)].send_replace(self.position);
        Ok(())
    }

    /// The aggregate before an event: as it was examined last, as the table has it, or folded.
    async fn before(&mut self, event: &Event) -> Result<Arc<Aggregate>, LogError> {
        let (stream, version) = (&event.stream, event.version - 1);
        let writing = || self.writing.as_ref()?.rows.get(stream);
        let seen = self.changed.get(stream).or_else(writing);
        if let Some(aggregate) = seen.filter(|seen| seen.version == version) {
            return Ok(aggregate.clone());
        }
        let row = self.documents.tables.aggregate(stream.category(), stream.key()).await?;
        let row = row.filter(|row| row.version == version);
        match row.and_then(|row| history::decode_row(stream, &row)) {
            Some(aggregate) => Ok(Arc::new(aggregate)),
            None => self.documents.history.state_at(stream, version).await,
        }
    }

    fn examine(&mut self, applied: &Applied) {
        let stream = &applied.event.stream;
        if stream.category() == TYPE_CATEGORY {
            self.learn_type(&applied.after);
        }
        if let Some(summary) = &self.documents.host.summary {
            summary.apply(self.lane, applied);
        }
        if self.changed.is_empty() {
            self.since = Instant::now();
        }
        self.changed.insert(stream.clone(), applied.after.clone());
        self.position = applied.event.position;
    }

    fn learn_type(&self, aggregate: &Aggregate) {
        if let Err(error) = self.documents.types.learn(aggregate) {
            tracing::error!(%error, "a stored type cannot be used");
        }
    }

    fn begin_write(&mut self) {
        let summary = self.documents.host.summary.as_ref().map(|summary| summary.row(self.lane));
        let rows = Arc::new(std::mem::take(&mut self.changed));
        let range = (self.written, self.position);
        self.writing = Some(Writing::begin(self.documents, self.lane, range, rows, summary));
    }

    async fn finish_write(&mut self, outcome: Result<(), LogError>) -> Result<(), LogError> {
        let Some(Writing { to, rows, began, .. }) = self.writing.take() else { return Ok(()) };
        self.delay = pace::delay(began.elapsed());
        match outcome {
            Ok(()) => self.written = to,
            // Another instance has written. What it has not written yet is among these rows, and
            // writing the rest again changes nothing.
            Err(LogError::Fenced) => {
                self.take_back(&rows);
                let cursors = &self.documents.cursors;
                self.written =
                    cursors.cursor(self.documents.config.service, self.lane).await?.position;
            }
            Err(error) => {
                self.take_back(&rows);
                return Err(error);
            }
        }
        if self.written >= self.position {
            self.changed.clear();
        }
        self.documents.projector.written[usize::from(self.lane.0)].send_replace(self.written);
        Ok(())
    }

    /// Rows that were not written wait again, unless newer ones do.
    fn take_back(&mut self, rows: &Changed) {
        for (stream, aggregate) in rows {
            self.changed.entry(stream.clone()).or_insert_with(|| aggregate.clone());
        }
    }
}

async fn finished(writing: &mut Option<Writing>) -> Result<(), LogError> {
    match writing {
        Some(writing) => writing.outcome.as_mut().await,
        None => std::future::pending().await,
    }
}
