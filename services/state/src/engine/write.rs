//! The way of a write: load, decide on what is in flight, send to the log, show.

mod decided;
mod in_flight;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_domain::state::{
    self, Aggregate, Change, Command, Expectation, FieldOutcome, Schema, Value,
};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{
    Append, AppendError, Appended, Expected, Idempotency, Lane, Pending, Position, StreamAppend,
    StreamName, Version,
};
use uuid::Uuid;

use self::decided::{decide_all, encode, noted, stamped};
pub(super) use self::in_flight::entry;
use self::in_flight::{InFlight, Plan, PlanPart};
use super::Engine;
use super::chain::{Durable, Locked};

/// How often a write is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 64;

/// When a writer who lost all of these races should come back.
const CONTENDED_RETRY: Duration = Duration::from_millis(100);

/// A write: all parts or none.
#[derive(Debug)]
pub(crate) struct Write {
    /// Each aggregate once.
    pub(crate) parts: Vec<Part>,
    pub(crate) idempotency: Option<Idempotency>,
    /// Encoded `EventMetadata`.
    pub(crate) metadata: Bytes,
}

/// What happens to one aggregate.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) stream: StreamName,
    pub(crate) schema: Arc<Schema>,
    pub(crate) expected: Expectation,
    pub(crate) action: Action,
    /// Ids of the events, where the caller chose them.
    pub(crate) event_ids: Vec<Uuid>,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// In order, one event each; none where only the expectation must hold.
    Commands(Vec<Command>),
    /// A change that waited for delivery. `foreign` is the state before the first such change of the
    /// same caller.
    Reconcile { pending: state::Pending, foreign: Value },
}

/// What a write did. It is durable.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// In the order of the parts.
    pub(crate) parts: Vec<WrittenPart>,
    pub(crate) time_us: i64,
    /// It had been made before.
    pub(crate) repeated: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct WrittenPart {
    /// The aggregate right after the write.
    pub(crate) aggregate: Arc<Aggregate>,
    pub(crate) first_version: Version,
    pub(crate) lane: Lane,
    pub(crate) position: Position,
    /// What became of each field of a reconciled change.
    pub(crate) fields: Vec<FieldOutcome>,
}

/// What a decision led to.
enum Step {
    Sent(Pending<Result<Appended, AppendError>>, Plan),
    /// The rules refused. What they looked at may not be durable yet, nor the newest there is.
    Refused {
        refusal: Error,
        undecided: Vec<Durable>,
        decided_on: Vec<Version>,
    },
}

impl Engine {
    /// Makes a write durable, or says why not.
    pub(crate) async fn write(self: &Arc<Self>, write: Write) -> Result<Written> {
        let start_us = self.clock.now_micros();
        let outcome = self.make_durable(write).await;
        let took_us = self.clock.now_micros().saturating_sub(start_us).unsigned_abs();
        self.metrics.write_seconds.observe(took_us as f64 / 1e6);
        if outcome.is_ok() {
            self.analytics.wrote(start_us, took_us);
        }
        outcome
    }

    async fn make_durable(self: &Arc<Self>, write: Write) -> Result<Written> {
        for _ in 0..ATTEMPTS_MAX {
            let mut loaded = Vec::with_capacity(write.parts.len());
            for part in &write.parts {
                loaded.push(self.newest(&part.stream).await?);
            }
            match self.decide_and_send(&write, &loaded) {
                Step::Sent(pending, plan) => {
                    match InFlight::new(self.clone(), pending, plan).land().await {
                        Ok((appended, Some(parts))) => {
                            return Ok(Written {
                                parts,
                                time_us: appended.time_us,
                                repeated: false,
                            });
                        }
                        Ok((appended, None)) => return self.repeated(appended).await,
                        // Somebody else was faster, or the chain under this write broke.
                        Err(AppendError::Conflict { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Step::Refused { refusal, undecided, decided_on } => {
                    let mut stands = true;
                    for durable in undecided {
                        stands &= durable.wait().await;
                    }
                    if stands && !self.is_behind(&write, &decided_on).await? {
                        return self.retried(&write, refusal).await;
                    }
                }
            }
        }
        Err(Error::new(Code::Overloaded, "too many writers of the same aggregate; try again")
            .with_retry_after(CONTENDED_RETRY))
    }

    /// Decides all parts on the newest states, those in flight included, and takes a place in the
    /// log's queue, with the chains locked: what is decided later is queued later.
    fn decide_and_send(&self, write: &Write, loaded: &[Arc<Aggregate>]) -> Step {
        let now_us = self.clock.now_micros();
        let mut chains = self.chains.lock(write.parts.iter().map(|part| &part.stream));
        let (bases, expected): (Vec<_>, Vec<_>) = (write.parts.iter().zip(loaded))
            .map(|(part, loaded)| self.base(&chains, &part.stream, loaded))
            .unzip();
        let decisions = match decide_all(write, &bases, now_us) {
            Ok(decisions) => decisions,
            Err(refusal) => return refuse(&mut chains, write, refusal, &bases),
        };

        let mut parts = Vec::with_capacity(bases.len());
        let mut streams = Vec::with_capacity(bases.len());
        let decided = write.parts.iter().zip(bases).zip(expected).zip(decisions);
        for (((part, before), expected), decision) in decided {
            let events = encode(&decision.changes, &part.event_ids, &write.metadata);
            let stream = part.stream.clone();
            streams.push(StreamAppend { stream, expected, events: events.clone() });
            parts.push((part, before, decision, events));
        }
        let promise = self.feed.promise();
        let (pending, time_us) = self.send(streams, write.idempotency.clone(), now_us);
        let parts = parts
            .into_iter()
            .map(|(part, before, decided, events)| {
                let after = stamped(&before, decided.after, time_us);
                let head = after.last().unwrap_or(&before).clone();
                let chain = self.next_chain.fetch_add(1, Ordering::Relaxed);
                let last = events.last().map(|event| event.id);
                let link = chains.extend(&part.stream, head, last, chain);
                PlanPart { link, before, after, events, fields: decided.fields }
            })
            .collect();
        Step::Sent(pending, Plan { parts, time_us, promise })
    }

    /// The newest state that a write of this stream can be decided on, and what makes it true.
    fn base(
        &self,
        chains: &Locked<'_>,
        stream: &StreamName,
        loaded: &Arc<Aggregate>,
    ) -> (Arc<Aggregate>, Expected) {
        if let Some((head, expected)) = chains.head(stream) {
            return (head.clone(), expected);
        }
        let durable = match self.cache.peek(stream) {
            Some(entry) if entry.version > loaded.version => entry.value,
            _ => loaded.clone(),
        };
        let expected = Expected::Exact(durable.version);
        (durable, expected)
    }

    /// Takes the time and a place in the log's queue in one step, so that times never decrease along
    /// the queue.
    fn send(
        &self,
        streams: Vec<StreamAppend>,
        idempotency: Option<Idempotency>,
        now_us: i64,
    ) -> (Pending<Result<Appended, AppendError>>, i64) {
        let mut last_us = self.last_us.lock();
        *last_us = now_us.max(*last_us);
        (self.log.append(Append { streams, idempotency, now_us: *last_us }), *last_us)
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
        let append = StreamAppend {
            stream: part.stream.clone(),
            expected: Expected::Exact(version),
            events: encode(&notes, &part.event_ids, metadata),
        };
        let (pending, _) = self.send(vec![append], None, self.clock.now_micros());
        match pending.await {
            Ok(appended) => self.repeated(appended).await,
            Err(AppendError::Conflict { .. }) => Err(refusal),
            Err(error) => Err(error.into()),
        }
    }

    /// The answer to a write that had been made before: what it did then.
    async fn repeated(&self, appended: Appended) -> Result<Written> {
        let mut parts = Vec::with_capacity(appended.streams.len());
        for stream in appended.streams {
            // It is acknowledged now, perhaps before the feed has come to it.
            self.cache.raise_floor(&stream.stream, stream.last_version);
            parts.push(WrittenPart {
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

fn refuse(
    chains: &mut Locked<'_>,
    write: &Write,
    refusal: Error,
    bases: &[Arc<Aggregate>],
) -> Step {
    let undecided = write.parts.iter().filter_map(|part| chains.durable(&part.stream)).collect();
    let decided_on = bases.iter().map(|base| base.version).collect();
    Step::Refused { refusal, undecided, decided_on }
}
