use std::sync::Arc;

use gamemesh_contracts::memory::v1::{RestoreMemoryRequest, RestoreMemoryResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: RestoreMemoryRequest,
) -> Result<RestoreMemoryResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let entry = engine.restore(&known.collection, &npc, id).await?;
    Ok(RestoreMemoryResponse { memory: Some(parse::shown(&engine, &known, &entry)) })
}
