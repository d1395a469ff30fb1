use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ForgetMemoryRequest, ForgetMemoryResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: ForgetMemoryRequest,
) -> Result<ForgetMemoryResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let forgotten = match request.hard {
        true => engine.erase(&known.collection, &npc, id).await?,
        false => engine.forget_softly(&known.collection, &npc, id).await?,
    };
    Ok(ForgetMemoryResponse { forgotten: forgotten as i64 })
}
