use std::sync::Arc;

use gamemesh_contracts::state::v1 as pb;
use gamemesh_documents::{Action, Part, Write};
use gamemesh_domain::document::{Command, Expectation};
use gamemesh_domain::{Error, Result};
use gamemesh_feed::Cut;
use gamemesh_rpc::caller::{Caller, version_expected};
use pb::transaction_part::Action as Wanted;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

const PARTS_MAX: usize = 100;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: pb::TransactRequest,
) -> Result<Answer<pb::TransactResponse>> {
    let idempotency = caller.idempotency("Transact", &request.idempotency_key, &request)?;
    caller.without_conditions("expectedVersion in each part")?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    if !(1..=PARTS_MAX).contains(&request.parts.len()) {
        return Err(Error::invalid("parts", format!("accepts 1 to {PARTS_MAX}")));
    }
    let mut parts: Vec<Part> = Vec::with_capacity(request.parts.len());
    for (at, wanted) in request.parts.into_iter().enumerate() {
        let part = part(&engine, at, wanted)?;
        if parts.iter().any(|other| other.stream == part.stream) {
            return Err(Error::invalid(format!("parts[{at}]"), "names an aggregate a second time"));
        }
        parts.push(part);
    }
    if parts.iter().all(|part| matches!(&part.action, Action::Commands(c) if c.is_empty())) {
        return Err(Error::invalid("parts", "accepts at least one part that changes something"));
    }
    let written = engine.documents.write(Write { parts, idempotency, metadata }).await?;
    let mut cut = Cut::default();
    for part in &written.parts {
        cut.raise(part.lane, part.position);
    }
    let writes = written.parts.iter().map(|part| parse::result(&engine, &written, part)).collect();
    Ok(Answer::new(pb::TransactResponse { writes, token: engine.documents.read_token(cut) }))
}

fn part(engine: &Engine, at: usize, wanted: pb::TransactionPart) -> Result<Part> {
    let field = |name: &str| format!("parts[{at}].{name}");
    let (stream, schema) = parse::target(engine, &wanted.r#type, &wanted.id)?;
    let expected = match wanted.expected_version {
        None => Expectation::Any,
        Some(version) => version_expected(&field("expectedVersion"), version)?,
    };
    let create_missing = false;
    let command = match wanted.action {
        None => {
            let what = "accepts one of create, mergePatch, operations, replace, delete, check";
            return Err(Error::invalid(field("action"), what));
        }
        Some(Wanted::Check(_)) => None,
        Some(Wanted::Delete(_)) => Some(Command::Delete),
        Some(Wanted::Create(state)) => {
            Some(Command::Create { state: convert::value::from_struct(&field("create"), state)? })
        }
        Some(Wanted::Replace(state)) => {
            let state = convert::value::from_struct(&field("replace"), state)?;
            Some(Command::Replace { state, create_missing })
        }
        Some(Wanted::MergePatch(patch)) => {
            let patch = convert::value::from_struct(&field("mergePatch"), patch)?;
            Some(Command::Merge { patch, create_missing })
        }
        Some(Wanted::Operations(operations)) => {
            let operations = convert::operation::from_operations(operations)?;
            Some(Command::Operate { operations, create_missing })
        }
    };
    let action = Action::Commands(command.into_iter().collect());
    Ok(Part { stream, schema, expected, action, event_ids: Vec::new() })
}
