use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::What;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::LeaveSessionRequest,
) -> Result<pb::LeaveSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let why = caller.leaves(&player);
    let session = edge.shards.ask(session, |reply| What::Leave { player, why, reply }).await?;
    Ok(pb::LeaveSessionResponse { session: Some(session) })
}
