use std::sync::Arc;

use gamemesh_contracts::memory::v1::{GetMemoryRequest, GetMemoryResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: GetMemoryRequest,
) -> Result<GetMemoryResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let entry = engine.visible(&known.collection, &npc, id).await?;
    let mut memory = parse::shown(&engine, &known, &entry);
    if request.with_vector
        && let Some(content) = &mut memory.content
    {
        content.vector = engine.vector_of(&known.collection, id).await?;
    }
    Ok(GetMemoryResponse { memory: Some(memory) })
}
