//! What a write comes to, before anything is sent: decisions and their events.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_domain::Result;
use gamemesh_domain::state::{
    self, Aggregate, Change, Command, FieldOutcome, Schema, check_conserved, decide, reconcile,
};
use gamemesh_repository::{Append, EventId, Expected, NewEvent, StreamAppend, StreamName};
use uuid::Uuid;

use super::super::chain::Link;
use super::super::stored;
use super::in_flight::{Plan, PlanPart};
use super::{Action, Write};

/// A write that is decided, with its events.
pub(super) struct Staged {
    parts: Vec<StagedPart>,
}

struct StagedPart {
    before: Arc<Aggregate>,
    expected: Expected,
    decided: Decided,
    events: Vec<NewEvent>,
}

/// What one part comes to.
struct Decided {
    changes: Vec<Change>,
    after: Vec<Aggregate>,
    fields: Vec<FieldOutcome>,
}

impl Staged {
    /// Decides each part on a state, which is there if what is expected beside it holds.
    pub(super) fn decide(
        write: &Write,
        bases: &[(Arc<Aggregate>, Expected)],
        now_us: i64,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(bases.len());
        for (part, (base, expected)) in write.parts.iter().zip(bases) {
            part.expected.check(base)?;
            let decided = part.action.decide(&part.schema, base, now_us)?;
            let events = encode(&decided.changes, &part.event_ids, &write.metadata, now_us);
            parts.push(StagedPart { before: base.clone(), expected: *expected, decided, events });
        }
        let conserved: Vec<_> = (write.parts.iter().zip(&parts))
            .map(|(part, StagedPart { before, decided, .. })| state::Part {
                schema: &part.schema,
                before: &before.state,
                after: decided.after.last().map_or(&before.state, |after| &after.state),
            })
            .collect();
        check_conserved(&conserved)?;
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
            now_us: i64::MIN,
        }
    }

    /// What is to be shown once it is durable. `extend` adds the state after each part, and its last
    /// event, to its chain.
    pub(super) fn plan(
        self,
        write: &Write,
        time_us: i64,
        mut extend: impl FnMut(&StreamName, Arc<Aggregate>, Option<EventId>) -> Link,
    ) -> Plan {
        let parts = write.parts.iter().zip(self.parts).map(|(part, staged)| {
            let StagedPart { before, decided, events, .. } = staged;
            let after = stamped(&before, decided.after, time_us);
            let last = events.last().map(|event| event.id);
            let link = extend(&part.stream, after.last().unwrap_or(&before).clone(), last);
            PlanPart { link, before, after, events, fields: decided.fields }
        });
        Plan { parts: parts.collect(), time_us }
    }
}

impl Action {
    fn decide(&self, schema: &Schema, base: &Aggregate, now_us: i64) -> Result<Decided> {
        let mut decided = Decided { changes: Vec::new(), after: Vec::new(), fields: Vec::new() };
        match self {
            Self::Commands(commands) => {
                for command in commands {
                    let before = decided.after.last().unwrap_or(base);
                    let decision = decide(schema, before, command.clone(), now_us)?;
                    decided.changes.push(decision.change);
                    decided.after.push(decision.after);
                }
            }
            Self::Reconcile { pending, foreign } => {
                let settlement = reconcile(schema, base, foreign, pending.clone(), now_us);
                let decision = settlement.decision?;
                decided.changes.push(decision.change);
                decided.after.push(decision.after);
                decided.fields = settlement.fields;
            }
        }
        Ok(decided)
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

pub(super) fn encode(
    changes: &[Change],
    ids: &[Uuid],
    metadata: &Bytes,
    now_us: i64,
) -> Vec<NewEvent> {
    let chosen = ids.iter().copied().map(Some).chain(std::iter::repeat(None));
    (changes.iter().zip(chosen))
        .map(|(change, id)| NewEvent {
            id: id.unwrap_or_else(|| event_id(now_us)),
            kind: change.kind().into(),
            data: stored::encode_change(change),
            meta: metadata.clone(),
        })
        .collect()
}

/// The states with the time at which they were recorded.
pub(super) fn stamped(
    before: &Aggregate,
    after: Vec<Aggregate>,
    time_us: i64,
) -> Vec<Arc<Aggregate>> {
    let stamp = |mut aggregate: Aggregate| {
        if aggregate.created_at_us != before.created_at_us {
            aggregate.created_at_us = time_us;
        }
        aggregate.updated_at_us = time_us;
        Arc::new(aggregate)
    };
    after.into_iter().map(stamp).collect()
}
