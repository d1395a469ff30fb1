use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::document::Command;
use gamemesh_rpc::caller::Caller;

use crate::game::{Game, Order, metadata};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::DeleteEntityRequest,
) -> Result<pb::DeleteEntityResponse> {
    let idempotency = caller.idempotency("DeleteEntity", &request.idempotency_key, &request)?;
    let order = Order {
        stream: game.entity_stream(&request.entity_id)?,
        expected: caller.expectation(request.expected_version, true)?,
        commands: vec![Command::Delete],
        event_ids: Vec::new(),
        idempotency,
        metadata: metadata(&caller)?,
    };
    let (aggregate, _) = game.write(order).await?;
    Ok(pb::DeleteEntityResponse { version: aggregate.version as i64 })
}
