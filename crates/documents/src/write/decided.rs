//! The decision of a write and its events, before anything is sent.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_domain::document::{
    self as document, Aggregate, Allowance, Change, Command, Decision, FieldOutcome,
    check_conserved, decide, reconcile,
};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{Append, EventId, Expected, NewEvent, StreamAppend, StreamName};
use uuid::Uuid;

use super::in_flight::{Plan, PlanPart};
use super::{Action, Part, Write};
use crate::encoding::EncodeBuffer;
use crate::pending_writes::PendingWriteId;

/// A write that is decided, with its events.
pub(super) struct Staged {
    parts: Vec<StagedPart>,
}

struct StagedPart {
    before: Arc<Aggregate>,
    expected: Expected,
    /// The state after each event.
    after: Vec<Arc<Aggregate>>,
    events: Vec<NewEvent>,
    fields: Vec<FieldOutcome>,
}

/// Makes events of changes. Those of one maker share what they have in common.
pub(super) struct Events {
    now_us: i64,
    buffer: EncodeBuffer,
    kind: Arc<str>,
}

impl Staged {
    /// Decides each part on a state, which is there if what is expected beside it holds.
    pub(super) fn decide(
        write: &Write,
        bases: &[(Arc<Aggregate>, Expected)],
        events: &mut Events,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(bases.len());
        for (at, (part, (base, expected))) in write.parts.iter().zip(bases).enumerate() {
            let staged = part
                .expected
                .check(base)
                .and_then(|()| StagedPart::decide(part, base, *expected, &write.metadata, events));
            parts.push(staged.map_err(|error| named(error, write, at))?);
        }
        check_conserved((write.parts.iter().zip(&parts)).map(|(part, staged)| document::Part {
            schema: &part.schema,
            before: &staged.before.state,
            after: &staged.newest().state,
        }))?;
        Ok(Self { parts })
    }

    /// What is sent to the log; the time is given by whoever sends it.
    pub(super) fn append(&self, write: &Write) -> Append {
        let streams = (write.parts.iter().zip(&self.parts)).map(|(part, staged)| StreamAppend {
            stream: part.stream.clone(),
            expected: staged.expected,
            events: staged.events.clone(),
        });
        Append {
            streams: streams.collect(),
            idempotency: write.idempotency.clone(),
            // Any instance may write an aggregate: expectations alone decide.
            fence: None,
            now_us: i64::MIN,
        }
    }

    /// What is to be shown once it is durable. `extend` adds the state after each part, its last event,
    /// and whether it creates the aggregate, to the pending writes.
    pub(super) fn plan(
        self,
        write: &Write,
        time_us: i64,
        mut extend: impl FnMut(&StreamName, Arc<Aggregate>, Option<EventId>, bool) -> PendingWriteId,
    ) -> Plan {
        let parts = write.parts.iter().zip(self.parts).map(|(part, staged)| {
            let StagedPart { before, mut after, events, fields, .. } = staged;
            stamp(&before, &mut after, time_us);
            let newest = after.last().unwrap_or(&before);
            let size_bytes = newest.size_bytes() as u64;
            let last = events.last().map(|event| event.id);
            let is_create = newest.created_at_us != before.created_at_us;
            let pending = extend(&part.stream, newest.clone(), last, is_create);
            PlanPart { pending, before, after, size_bytes, events, fields }
        });
        Plan { parts: parts.collect(), time_us }
    }
}

/// Which aggregate is refused, and of several parts which part.
fn named(mut error: Error, write: &Write, at: usize) -> Error {
    let stream = &write.parts[at].stream;
    let (kind, id) = (stream.category(), stream.key());
    error.message = match &*write.parts {
        [_] => format!("{kind} {id}: {}", error.message),
        _ => format!("parts[{at}], {kind} {id}: {}", error.message),
    };
    let error = error.with_fact("type", kind).with_fact("id", id);
    if write.parts.len() > 1 { error.with_fact("part", at) } else { error }
}

impl StagedPart {
    fn decide(
        part: &Part,
        base: &Arc<Aggregate>,
        expected: Expected,
        metadata: &Bytes,
        events: &mut Events,
    ) -> Result<Self> {
        let now_us = events.now_us;
        let (before, fields) = (base.clone(), Vec::new());
        let mut staged = Self { before, expected, after: Vec::new(), events: Vec::new(), fields };
        let mut add = |staged: &mut Self, Decision { change, allowances, after }| {
            let id = part.event_ids.get(staged.events.len()).copied();
            staged.events.push(events.of(&change, &allowances, id, metadata));
            staged.after.push(Arc::new(after));
        };
        match &part.action {
            Action::Commands(commands) => {
                staged.after.reserve_exact(commands.len());
                staged.events.reserve_exact(commands.len());
                for command in commands {
                    let before = staged.newest();
                    let decision = decide(&part.schema, before, command.clone(), now_us)?;
                    add(&mut staged, decision);
                }
            }
            Action::Reconcile { pending, own } => {
                let settlement = reconcile(&part.schema, base, own, pending.clone(), now_us);
                add(&mut staged, settlement.decision?);
                staged.fields = settlement.fields;
            }
        }
        Ok(staged)
    }

    fn newest(&self) -> &Arc<Aggregate> {
        self.after.last().unwrap_or(&self.before)
    }
}

pub(super) fn noted(command: &Command) -> Option<Change> {
    match command {
        Command::Note { kind, data } => {
            Some(Change::Noted { kind: kind.as_str().into(), data: data.clone() })
        }
        _ => None,
    }
}

/// A new id. Its random part comes from the thread's generator: the library asks the system each time.
fn event_id(now_us: i64) -> Uuid {
    let now_ms = u64::try_from(now_us / 1_000).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(now_ms, &rand::random()).into_uuid()
}

impl Events {
    /// For about so many events.
    pub(super) fn at(now_us: i64, count: usize) -> Self {
        Self { now_us, buffer: EncodeBuffer::of(count), kind: Arc::default() }
    }

    /// The event of a change, with an id of its own if none was chosen.
    pub(super) fn of(
        &mut self,
        change: &Change,
        allowances: &[Allowance],
        id: Option<Uuid>,
        metadata: &Bytes,
    ) -> NewEvent {
        if *self.kind != *change.kind() {
            self.kind = change.kind().into();
        }
        NewEvent {
            id: id.unwrap_or_else(|| event_id(self.now_us)),
            kind: self.kind.clone(),
            data: self.buffer.encode(change, allowances),
            meta: metadata.clone(),
        }
    }
}

/// The states get the time at which they were recorded.
pub(super) fn stamp(before: &Aggregate, after: &mut [Arc<Aggregate>], time_us: i64) {
    for aggregate in after {
        let aggregate = Arc::make_mut(aggregate);
        if aggregate.created_at_us != before.created_at_us {
            aggregate.created_at_us = time_us;
        }
        aggregate.updated_at_us = time_us;
    }
}
