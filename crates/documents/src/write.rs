//! Writes: load, decide on what is pending, append to the log, show.

mod decided;
mod each;
mod in_flight;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use gamemesh_domain::document::{
    self as document, Aggregate, Change, Command, Expectation, FieldOutcome, OwnStep, Schema,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{
    Append, AppendError, Appended, Expected, Idempotency, Lane, Pending, Position, StreamAppend,
    StreamName, Version,
};
use uuid::Uuid;

use self::decided::{Events, Staged, noted, stamp};
use self::each::{Each, Loaded, Refused, Sent};
use self::in_flight::InFlight;
pub(crate) use self::in_flight::entry;
use crate::Documents;
use crate::pending_writes::{Head, Locked};

/// How often a write is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 64;

/// A write: all parts or none.
#[derive(Debug)]
pub struct Write {
    /// Each aggregate once.
    pub parts: Vec<Part>,
    pub idempotency: Option<Idempotency>,
    /// Encoded `EventMetadata`.
    pub metadata: Bytes,
}

/// What happens to one aggregate.
#[derive(Debug)]
pub struct Part {
    pub stream: StreamName,
    pub schema: Arc<Schema>,
    pub expected: Expectation,
    pub action: Action,
    /// Ids of the events, where the caller chose them.
    pub event_ids: Vec<Uuid>,
}

#[derive(Debug)]
pub enum Action {
    /// In order, one event each; none where only the expectation must hold.
    Commands(Vec<Command>),
    /// A change that waited for delivery, with what earlier ones of the same caller did.
    Reconcile { pending: document::Pending, own: Arc<Vec<OwnStep>> },
}

impl Part {
    /// Whether the aggregate must be absent for it to be made.
    fn needs_absence(&self) -> bool {
        let creates = match &self.action {
            Action::Commands(commands) => matches!(commands.first(), Some(Command::Create { .. })),
            Action::Reconcile { .. } => false,
        };
        creates || self.expected.is_absence()
    }
}

/// What a write did. It is durable.
#[derive(Debug, Clone)]
pub struct Written {
    /// In the order of the parts.
    pub parts: Vec<WrittenPart>,
    pub time_us: i64,
    /// It had been made before.
    pub repeated: bool,
}

#[derive(Debug, Clone)]
pub struct WrittenPart {
    /// The aggregate right before the write; `None` where that had been made before.
    pub before: Option<Arc<Aggregate>>,
    /// The aggregate right after the write.
    pub aggregate: Arc<Aggregate>,
    pub first_version: Version,
    pub lane: Lane,
    pub position: Position,
    /// What became of each field of a reconciled change.
    pub fields: Vec<FieldOutcome>,
}

impl Documents {
    /// Makes a write durable, or says why not.
    pub async fn write(self: &Arc<Self>, write: Write) -> Result<Written> {
        let outcome = self.write_each(vec![write]).await.pop();
        outcome.unwrap_or_else(|| Err(Error::internal("one write was made and none answered")))
    }

    /// Makes writes durable, each by itself, or says why not. Those of one aggregate follow one another
    /// in this order.
    pub async fn write_each(self: &Arc<Self>, writes: Vec<Write>) -> Vec<Result<Written>> {
        let start_us = self.clock.now_micros();
        let mut each = Each::new(writes);
        for _ in 0..ATTEMPTS_MAX {
            if each.attempt(self).await {
                break;
            }
        }
        let outcomes = each.outcomes();
        let took_us = self.clock.now_micros().saturating_sub(start_us).unsigned_abs();
        for _ in &outcomes {
            self.metrics.write_seconds.observe(took_us as f64 / 1e6);
        }
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.host.observer.wrote(start_us, took_us, made);
        outcomes
    }

    /// Decides writes of different aggregates on the newest states, those in flight included, and takes
    /// a place in the log's queue, with their streams locked: what is decided later is queued later.
    ///
    /// What cannot be decided yet holds up what comes after it.
    fn decide_and_send<'w>(
        self: &Arc<Self>,
        group: Vec<Loaded<'w>>,
        held: &mut HashSet<&'w StreamName>,
    ) -> Sent {
        let now_us = self.clock.now_micros();
        let streams = group.iter().flat_map(|loaded| &loaded.write.parts).map(|part| &part.stream);
        let mut locked = self.pending.lock(streams);
        let mut sent = Sent::default();
        let mut appends = Vec::with_capacity(group.len());
        let mut planned = Vec::with_capacity(group.len());
        let mut events = Events::at(now_us, group.len());
        let mut bases = Vec::new();
        for Loaded { at, write, states, assumed } in group {
            let streams = || write.parts.iter().map(|part| &part.stream);
            bases.clear();
            bases.extend(
                (streams().zip(&states))
                    .map_while(|(stream, loaded)| self.base(&locked, stream, loaded)),
            );
            if bases.len() < states.len() || streams().any(|stream| held.contains(stream)) {
                sent.awaited.extend(locked.durables(streams()));
                held.extend(streams());
                continue;
            }
            match Staged::decide(write, &bases, &mut events) {
                Ok(staged) => {
                    appends.push(staged.append(write));
                    planned.push((at, write, staged));
                }
                // It has no outcome yet, and is decided anew on what is there.
                Err(_) if assumed => held.extend(streams()),
                Err(refusal) => sent.refused.push(Refused {
                    at,
                    refusal,
                    undecided: locked.durables(streams()),
                    decided_on: bases.iter().map(|(base, _)| base.version).collect(),
                }),
            }
        }
        if appends.is_empty() {
            return sent;
        }
        let offer = self.feed.open_offer();
        let (pending, time_us) = self.send(appends, now_us);
        let mut plans = Vec::with_capacity(planned.len());
        for (at, write, staged) in planned {
            plans.push(staged.plan(write, time_us, |stream, head, last, is_create| {
                let next_id = self.next_pending.fetch_add(1, Ordering::Relaxed);
                locked.extend(stream, head, last, is_create, next_id)
            }));
            sent.at.push(at);
        }
        sent.in_flight = Some(InFlight::new(self.clone(), pending, plans, offer));
        sent
    }

    /// The newest state that a write of this stream can be decided on, and what makes it true; `None` as
    /// long as it is being created.
    fn base(
        &self,
        pending: &Locked<'_>,
        stream: &StreamName,
        loaded: &Arc<Aggregate>,
    ) -> Option<(Arc<Aggregate>, Expected)> {
        if let Some(Head { aggregate, expected, is_pending_create }) = pending.head(stream) {
            return (!is_pending_create).then(|| (aggregate.clone(), expected));
        }
        let durable = match self.cache.peek(stream) {
            Some(entry) if entry.version > loaded.version => entry.value,
            _ => loaded.clone(),
        };
        let expected = Expected::Exact(durable.version);
        Some((durable, expected))
    }

    /// Takes the time and a place in the log's queue in one step, so that times never decrease along
    /// the queue.
    fn send(
        &self,
        mut appends: Vec<Append>,
        now_us: i64,
    ) -> (Pending<Vec<Result<Appended, AppendError>>>, i64) {
        let mut last_us = self.last_us.lock();
        *last_us = now_us.max(*last_us);
        for append in &mut appends {
            append.now_us = *last_us;
        }
        (self.log.append_each(appends), *last_us)
    }

    /// Whether another instance has written what a refusal was decided on. The log compares what is
    /// written; what is refused never gets there, so it is compared here.
    async fn is_behind(&self, write: &Write, decided_on: &[Version]) -> Result<bool> {
        if self.log.is_sole_writer() {
            return Ok(false);
        }
        let mut is_behind = false;
        for (part, version) in write.parts.iter().zip(decided_on) {
            let head = self.log.head(&part.stream).await?.map_or(0, |head| head.version);
            if head > *version {
                self.cache.raise_floor(&part.stream, head);
                is_behind = true;
            }
        }
        Ok(is_behind)
    }

    /// A refused write may be the retry of one that was made.
    async fn retried(&self, write: &Write, refusal: Error) -> Result<Written> {
        if let Some(idempotency) = &write.idempotency
            && let Some((appended, fingerprint)) = self.log.idempotent(&idempotency.key).await?
        {
            if fingerprint != idempotency.fingerprint {
                return Err(AppendError::KeyReused { key: idempotency.key.clone() }.into());
            }
            return self.repeated(appended).await;
        }
        match &*write.parts {
            [part] if refusal.code == Code::VersionConflict && !part.event_ids.is_empty() => {
                self.stands_already(part, &write.metadata, refusal).await
            }
            _ => Err(refusal),
        }
    }

    /// Whether events of these ids stand where they were expected to: only the log knows.
    async fn stands_already(
        &self,
        part: &Part,
        metadata: &Bytes,
        refusal: Error,
    ) -> Result<Written> {
        let version = match part.expected {
            Expectation::Version(version) => version,
            Expectation::NoEvents => 0,
            _ => return Err(refusal),
        };
        let Action::Commands(commands) = &part.action else { return Err(refusal) };
        let notes: Vec<Change> = commands.iter().filter_map(noted).collect();
        if notes.len() != commands.len() || notes.len() != part.event_ids.len() {
            return Err(refusal);
        }
        let now_us = self.clock.now_micros();
        let mut made = Events::at(now_us, notes.len());
        let append = StreamAppend {
            stream: part.stream.clone(),
            expected: Expected::Exact(version),
            events: (notes.iter().zip(&part.event_ids))
                .map(|(note, id)| made.of(note, &[], Some(*id), metadata))
                .collect(),
        };
        let append = Append { streams: vec![append], idempotency: None, fence: None, now_us: 0 };
        let (pending, _) = self.send(vec![append], now_us);
        match pending.await.pop() {
            Some(Ok(appended)) => self.repeated(appended).await,
            Some(Err(AppendError::Conflict { .. })) | None => Err(refusal),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// The answer to a write that had been made before: what it did then.
    async fn repeated(&self, appended: Appended) -> Result<Written> {
        let mut parts = Vec::with_capacity(appended.streams.len());
        for stream in appended.streams {
            // It is acknowledged now, perhaps before the feed has come to it.
            self.cache.raise_floor(&stream.stream, stream.last_version);
            parts.push(WrittenPart {
                before: None,
                aggregate: self.history.state_at(&stream.stream, stream.last_version).await?,
                first_version: stream.first_version,
                lane: stream.lane,
                position: stream.last_position,
                fields: Vec::new(),
            });
        }
        Ok(Written { parts, time_us: appended.time_us, repeated: true })
    }
}
