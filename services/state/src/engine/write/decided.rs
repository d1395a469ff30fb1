//! What a write comes to, before anything is sent: decisions and their events.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_domain::Result;
use gamemesh_domain::state::{
    self, Aggregate, Change, Command, FieldOutcome, Schema, check_conserved, decide, reconcile,
};
use gamemesh_repository::NewEvent;
use uuid::Uuid;

use super::super::stored;
use super::{Action, Write};

/// What one part comes to.
pub(super) struct Decided {
    pub(super) changes: Vec<Change>,
    pub(super) after: Vec<Aggregate>,
    pub(super) fields: Vec<FieldOutcome>,
}

pub(super) fn decide_all(
    write: &Write,
    bases: &[Arc<Aggregate>],
    now_us: i64,
) -> Result<Vec<Decided>> {
    let mut decided = Vec::with_capacity(bases.len());
    for (part, base) in write.parts.iter().zip(bases) {
        part.expected.check(base)?;
        decided.push(part.action.decide(&part.schema, base, now_us)?);
    }
    let parts: Vec<_> = (write.parts.iter().zip(bases).zip(&decided))
        .map(|((part, before), decided)| state::Part {
            schema: &part.schema,
            before: &before.state,
            after: decided.after.last().map_or(&before.state, |after| &after.state),
        })
        .collect();
    check_conserved(&parts)?;
    Ok(decided)
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

pub(super) fn encode(changes: &[Change], ids: &[Uuid], metadata: &Bytes) -> Vec<NewEvent> {
    let chosen = ids.iter().copied().map(Some).chain(std::iter::repeat(None));
    (changes.iter().zip(chosen))
        .map(|(change, id)| NewEvent {
            id: id.unwrap_or_else(Uuid::now_v7),
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
