use std::sync::Arc;

use gamemesh_contracts::state::v1::{DeleteAggregateRequest, DeleteAggregateResponse};
use gamemesh_domain::Result;
use gamemesh_domain::document::Command;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: DeleteAggregateRequest,
) -> Result<Answer<DeleteAggregateResponse>> {
    let idempotency = caller.idempotency("DeleteAggregate", &request.idempotency_key, &request)?;
    let expected = caller.expectation(request.expected_version, request.must_exist)?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let target = parse::target(&engine, &request.r#type, &request.id)?;
    let part = parse::part(target, expected, Command::Delete);
    let (_, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
    Ok(Answer::written(DeleteAggregateResponse { write: Some(write.clone()) }, &write))
}
