//! Writes that have been sent to the log, and what happens when it answers.

use std::sync::Arc;

use gamemesh_cache::Entry;
use gamemesh_domain::document::{Aggregate, FieldOutcome};
use gamemesh_feed::OfferGuard;
use gamemesh_repository::{AppendError, Appended, Event, NewEvent, Pending, StreamName};

use super::{WrittenPart, stamp};
use crate::Applied;
use crate::Documents;
use crate::history::SNAPSHOT_INTERVAL;
use crate::pending_writes::PendingWriteId;

/// What is shown once the log has said yes.
pub(super) struct Plan {
    pub(super) parts: Vec<PlanPart>,
    pub(super) time_us: i64,
}

pub(super) struct PlanPart {
    pub(super) pending: PendingWriteId,
    pub(super) before: Arc<Aggregate>,
    /// One for each event; empty where nothing is written.
    pub(super) after: Vec<Arc<Aggregate>>,
    /// Of the newest state, measured when it was made.
    pub(super) size_bytes: u64,
    pub(super) events: Vec<NewEvent>,
    pub(super) fields: Vec<FieldOutcome>,
}

/// Writes that were sent together and whose outcomes are not known yet. If their caller goes away, they are
/// completed all the same.
pub(super) struct InFlight {
    documents: Arc<Documents>,
    pending: Option<Pending<Vec<Result<Appended, AppendError>>>>,
    plans: Vec<Plan>,
    /// What is committed is offered to the feed before this is gone.
    offer: Option<OfferGuard>,
}

/// What became of one write. The parts are `None` where it had been made before.
type Landed = Result<(Appended, Option<Vec<WrittenPart>>), AppendError>;

impl Documents {
    /// What the log's answers mean for the pending writes, the cache and the feed.
    fn settle(
        &self,
        plans: Vec<Plan>,
        outcomes: Vec<Result<Appended, AppendError>>,
    ) -> Vec<Landed> {
        let mut applied = Vec::with_capacity(plans.len());
        let mut landed = Vec::with_capacity(plans.len());
        for (plan, outcome) in plans.into_iter().zip(outcomes) {
            landed.push(match outcome {
                Ok(appended) if !appended.repeated => {
                    let _showing = (plan.parts.len() > 1).then(|| self.showing.write());
                    let shown = self.show(plan, &appended, &mut applied);
                    Ok((appended, Some(shown)))
                }
                // Nothing was written now, so nothing that was built on it stands.
                outcome => {
                    for part in &plan.parts {
                        self.pending.invalidate(&part.pending);
                    }
                    if let Err(AppendError::Conflict { stream, actual, .. }) = &outcome {
                        self.cache.raise_floor(stream, *actual);
                    }
                    outcome.map(|appended| (appended, None))
                }
            });
        }
        self.host.observer.committed(&applied);
        if let Some(shared) = &self.shared {
            shared.broadcast(&applied);
        }
        let newest = match self.log.is_sole_writer() {
            true => Vec::new(),
            false => applied.iter().map(|a| (a.event.stream.clone(), a.event.version)).collect(),
        };
        self.feed.offer(applied);
        // Before it was offered, the feed may have come by with an earlier event of another instance, and
        // found the cache without this one: evicted.
        for (stream, version) in newest {
            if self.cache.peek(&stream).is_some_and(|known| known.version < version) {
                self.cache.raise_floor(&stream, version);
            }
        }
        landed
    }

    /// Shows what has become durable: to readers and to the next writers. What watchers are to see is
    /// added to `applied`.
    fn show(
        &self,
        plan: Plan,
        appended: &Appended,
        applied: &mut Vec<Arc<Applied>>,
    ) -> Vec<WrittenPart> {
        let mut shown = Vec::with_capacity(plan.parts.len());
        for (part, stream) in plan.parts.into_iter().zip(&appended.streams) {
            let (mut after, size_bytes) = (part.after, part.size_bytes);
            // The log raised the time: another instance's clock is ahead.
            if appended.time_us != plan.time_us {
                stamp(&part.before, &mut after, appended.time_us);
            }
            let newest = after.last().unwrap_or(&part.before).clone();
            if let Some(shared) = &self.shared
                && !part.events.is_empty()
            {
                let (lane, position) = (stream.lane, stream.last_position);
                shared.committed(&part.pending.stream, lane, position, &newest);
            }
            self.pending.settle(&part.pending, newest.version, || {
                let (version, value) = (newest.version, newest.clone());
                self.cache.put(&part.pending.stream, Entry { version, value, size_bytes });
            });
            let was = part.before.clone();
            let mut before = part.before;
            let first = stream.last_position + 1 - part.events.len() as u64;
            for ((event, after), at) in part.events.into_iter().zip(after).zip(0..) {
                let event = Event {
                    stream: part.pending.stream.clone(),
                    version: after.version,
                    lane: stream.lane,
                    position: first + at,
                    time_us: appended.time_us,
                    id: event.id,
                    kind: event.kind,
                    data: event.data,
                    meta: event.meta,
                };
                self.snapshot_if_due(&event.stream, &after);
                let previous = std::mem::replace(&mut before, after.clone());
                applied.push(Arc::new(Applied { event, before: previous, after }));
            }
            shown.push(WrittenPart {
                before: Some(was),
                aggregate: newest,
                first_version: stream.first_version,
                lane: stream.lane,
                position: stream.last_position,
                fields: part.fields,
            });
        }
        shown
    }

    fn snapshot_if_due(&self, stream: &StreamName, aggregate: &Arc<Aggregate>) {
        if aggregate.version.is_multiple_of(SNAPSHOT_INTERVAL) {
            self.snapshots_due.offer(stream.clone(), aggregate.clone());
        }
    }
}

impl InFlight {
    pub(super) const fn new(
        documents: Arc<Documents>,
        pending: Pending<Vec<Result<Appended, AppendError>>>,
        plans: Vec<Plan>,
        offer: OfferGuard,
    ) -> Self {
        Self { documents, pending: Some(pending), plans, offer: Some(offer) }
    }

    /// Waits for the log: what became of each write, in their order.
    pub(super) async fn land(mut self) -> Vec<Landed> {
        let Some(pending) = &mut self.pending else { return Vec::new() };
        let outcomes = pending.await;
        self.pending = None;
        self.documents.settle(std::mem::take(&mut self.plans), outcomes)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            let (documents, plans) = (self.documents.clone(), std::mem::take(&mut self.plans));
            let offer = self.offer.take();
            tokio::spawn(async move {
                documents.settle(plans, pending.await);
                drop(offer);
            });
        }
    }
}

pub(crate) fn entry(aggregate: &Arc<Aggregate>) -> Entry<Aggregate> {
    Entry {
        version: aggregate.version,
        value: aggregate.clone(),
        size_bytes: aggregate.size_bytes() as u64,
    }
}
