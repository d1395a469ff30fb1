use std::sync::Arc;

use gamemesh_contracts::state::v1::update_aggregate_request::Change;
use gamemesh_contracts::state::v1::{UpdateAggregateRequest, UpdateAggregateResponse};
use gamemesh_domain::state::Command;
use gamemesh_domain::{Error, Result};

use super::answer::Answer;
use super::parse;
use crate::caller::Caller;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: UpdateAggregateRequest,
) -> Result<Answer<UpdateAggregateResponse>> {
    let message = update(&engine, &caller, request).await?;
    let write = message.write.clone().unwrap_or_default();
    Ok(Answer::written(message, &write))
}

/// One update, by itself or as one of several.
pub(super) async fn update(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: UpdateAggregateRequest,
) -> Result<UpdateAggregateResponse> {
    caller.may_write()?;
    let idempotency = caller.idempotency("UpdateAggregate", &request.idempotency_key, &request)?;
    let expected = caller.expectation(request.expected_version, request.must_exist)?;
    let metadata = caller.metadata(&engine.config.region, &request.reason)?;
    let target = parse::target(engine, &request.r#type, &request.id)?;
    let stream = target.0.clone();
    let command = command(request.change, request.create_missing)?;
    let part = parse::part(target, expected, command);
    let (aggregate, write) = parse::write_one(engine, part, idempotency, metadata).await?;
    let answer = || convert::aggregate::to_aggregate(&stream, &aggregate);
    Ok(UpdateAggregateResponse {
        aggregate: (!request.result_only).then(answer),
        write: Some(write),
    })
}

fn command(change: Option<Change>, create_missing: bool) -> Result<Command> {
    Ok(match change {
        None => {
            let what = "accepts one of mergePatch, operations, replace";
            return Err(Error::invalid("change", what));
        }
        Some(Change::MergePatch(patch)) => {
            let patch = convert::value::from_struct("mergePatch", patch)?;
            Command::Merge { patch, create_missing }
        }
        Some(Change::Operations(operations)) => {
            let operations = convert::operation::from_operations(operations)?;
            Command::Operate { operations, create_missing }
        }
        Some(Change::Replace(state)) => {
            let state = convert::value::from_struct("replace", state)?;
            Command::Replace { state, create_missing }
        }
    })
}
