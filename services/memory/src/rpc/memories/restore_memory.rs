use std::sync::Arc;

use gamemesh_contracts::memory::v1::{RestoreMemoryRequest, RestoreMemoryResponse};
use gamemesh_domain::Result;

use super::super::parse;
use crate::caller::Caller;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: RestoreMemoryRequest,
) -> Result<RestoreMemoryResponse> {
    caller.may_write()?;
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let entry = engine.restore(&known.collection, &npc, id).await?;
    Ok(RestoreMemoryResponse { memory: Some(parse::shown(&engine, &known, &entry)) })
}
