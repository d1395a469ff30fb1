use std::sync::Arc;

use gamemesh_contracts::state::v1::{CreateAggregateRequest, CreateAggregateResponse};
use gamemesh_domain::Result;
use gamemesh_domain::document::Command;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: CreateAggregateRequest,
) -> Result<Answer<CreateAggregateResponse>> {
    let idempotency = caller.idempotency("CreateAggregate", &request.idempotency_key, &request)?;
    let expected = caller.expectation(None, false)?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let target = parse::target(&engine, &request.r#type, &request.id)?;
    let stream = target.0.clone();
    let state = convert::value::from_struct("state", request.state.unwrap_or_default())?;
    let part = parse::part(target, expected, Command::Create { state });
    let (aggregate, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
    let message = CreateAggregateResponse {
        aggregate: Some(convert::aggregate::to_aggregate(&stream, &aggregate)),
        write: Some(write.clone()),
    };
    Ok(Answer::written(message, &write))
}
