//! Writes that have been sent to the log, and what happens when it answers.

use std::sync::Arc;

use gamemesh_cache::Entry;
use gamemesh_domain::state::{Aggregate, FieldOutcome};
use gamemesh_repository::{AppendError, Appended, Event, NewEvent, Pending, StreamName};

use super::super::Engine;
use super::super::chain::Link;
use super::super::feed::{Applied, Promise};
use super::super::history::SNAPSHOT_INTERVAL;
use super::{WrittenPart, stamped};

/// What is shown once the log has said yes.
pub(super) struct Plan {
    pub(super) parts: Vec<PlanPart>,
    pub(super) time_us: i64,
    /// What is committed is offered to the feed before this is gone.
    pub(super) promise: Promise,
}

pub(super) struct PlanPart {
    pub(super) link: Link,
    pub(super) before: Arc<Aggregate>,
    /// One for each event; empty where nothing is written.
    pub(super) after: Vec<Arc<Aggregate>>,
    pub(super) events: Vec<NewEvent>,
    pub(super) fields: Vec<FieldOutcome>,
}

/// A write whose outcome is not known yet. If its caller goes away, it is seen through all the same.
pub(super) struct InFlight {
    engine: Arc<Engine>,
    pending: Option<Pending<Result<Appended, AppendError>>>,
    plan: Option<Plan>,
}

impl Engine {
    /// Shows what has become durable: to readers, to the next writers, to watchers.
    fn show(&self, plan: Plan, appended: &Appended) -> Vec<WrittenPart> {
        let mut shown = Vec::with_capacity(plan.parts.len());
        let mut applied = Vec::new();
        for (part, stream) in plan.parts.into_iter().zip(&appended.streams) {
            // The log raised the time: another instance's clock is ahead.
            let after = match appended.time_us == plan.time_us {
                true => part.after,
                false => stamped(
                    &part.before,
                    part.after.into_iter().map(Arc::unwrap_or_clone).collect(),
                    appended.time_us,
                ),
            };
            let newest = after.last().unwrap_or(&part.before).clone();
            if let Some(shared) = &self.shared
                && !part.events.is_empty()
            {
                let (lane, position) = (stream.lane, stream.last_position);
                let events = part.events.len();
                shared.committed(&part.link.stream, lane, events, position, &newest);
            }
            self.chains.settle(&part.link, newest.version, || {
                self.cache.put(&part.link.stream, entry(&newest));
            });
            let mut before = part.before;
            let first = stream.last_position + 1 - part.events.len() as u64;
            for ((event, after), at) in part.events.into_iter().zip(after).zip(0..) {
                let event = Event {
                    stream: part.link.stream.clone(),
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
                aggregate: newest,
                first_version: stream.first_version,
                lane: stream.lane,
                position: stream.last_position,
                fields: part.fields,
            });
        }
        self.analytics.committed(appended.time_us, applied.iter().map(|a| &a.event));
        self.feed.offer(applied);
        drop(plan.promise);
        shown
    }

    fn snapshot_if_due(&self, stream: &StreamName, aggregate: &Arc<Aggregate>) {
        if aggregate.version.is_multiple_of(SNAPSHOT_INTERVAL) {
            self.snapshots_due.offer(stream.clone(), aggregate.clone());
        }
    }
}

impl InFlight {
    pub(super) fn new(
        engine: Arc<Engine>,
        pending: Pending<Result<Appended, AppendError>>,
        plan: Plan,
    ) -> Self {
        Self { engine, pending: Some(pending), plan: Some(plan) }
    }

    /// Waits for the log. The parts are `None` where the write had been made before.
    pub(super) async fn land(
        mut self,
    ) -> Result<(Appended, Option<Vec<WrittenPart>>), AppendError> {
        let Some(pending) = &mut self.pending else {
            return Err(AppendError::Invalid("landed twice".into()));
        };
        let outcome = pending.await;
        self.pending = None;
        let Some(plan) = self.plan.take() else {
            return Err(AppendError::Invalid("landed twice".into()));
        };
        settle(&self.engine, plan, outcome)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let (Some(pending), Some(plan)) = (self.pending.take(), self.plan.take()) {
            let engine = self.engine.clone();
            tokio::spawn(async move { settle(&engine, plan, pending.await) });
        }
    }
}

/// What the log's answer means for the chains, the cache and the feed.
fn settle(
    engine: &Engine,
    plan: Plan,
    outcome: Result<Appended, AppendError>,
) -> Result<(Appended, Option<Vec<WrittenPart>>), AppendError> {
    match outcome {
        Ok(appended) if !appended.repeated => {
            let shown = engine.show(plan, &appended);
            Ok((appended, Some(shown)))
        }
        // Nothing was written now, so nothing that was built on it stands.
        outcome => {
            for part in &plan.parts {
                engine.chains.break_off(&part.link);
            }
            if let Err(AppendError::Conflict { stream, actual, .. }) = &outcome {
                engine.cache.raise_floor(stream, *actual);
            }
            outcome.map(|appended| (appended, None))
        }
    }
}

pub(in crate::engine) fn entry(aggregate: &Arc<Aggregate>) -> Entry<Aggregate> {
    Entry {
        version: aggregate.version,
        value: aggregate.clone(),
        size_bytes: aggregate.size_bytes() as u64,
    }
}
