use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::What;
use crate::spectate::as_seen_from_afar;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::GetSessionRequest,
) -> Result<pb::GetSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let present = edge.shards.ask(session, What::Get).await?;
    let players = present.session.participants.iter().map(|player| &player.player_id);
    let session = if caller.sees_present(players) {
        present.session
    } else {
        as_seen_from_afar(present.session, present.live.delay())
    };
    Ok(pb::GetSessionResponse { session: Some(session) })
}
