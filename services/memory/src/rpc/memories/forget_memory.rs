use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ForgetMemoryRequest, ForgetMemoryResponse};
use gamemesh_domain::Result;

use super::super::parse;
use crate::caller::Caller;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: ForgetMemoryRequest,
) -> Result<ForgetMemoryResponse> {
    caller.may_write()?;
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let forgotten = match request.hard {
        true => engine.erase(&known.collection, &npc, id).await?,
        false => engine.forget_softly(&known.collection, &npc, id).await?,
    };
    Ok(ForgetMemoryResponse { forgotten: forgotten as i64 })
}
