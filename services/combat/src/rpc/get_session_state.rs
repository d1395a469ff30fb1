use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use super::spectate_session::picture;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::What;
use crate::spectate::as_seen_from_afar;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::GetSessionStateRequest,
) -> Result<pb::GetSessionStateResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let present = edge.shards.ask(session, What::Get).await?;
    let players = present.session.participants.iter().map(|player| &player.player_id);
    let delay = present.live.delay();
    let sees_present = caller.sees_present(players);
    if !sees_present {
        present.live.admit(0)?;
    }
    if sees_present || delay.is_zero() {
        return Ok(pb::GetSessionStateResponse {
            event_seq: present.session.event_seq,
            session: Some(present.session),
            snapshot: Some(present.snapshot),
            state_hash: present.state_hash,
        });
    }
    let seen = picture(&present.live)?.unwrap_or_default();
    Ok(pb::GetSessionStateResponse {
        session: Some(as_seen_from_afar(present.session, delay)),
        snapshot: seen.snapshot,
        event_seq: seen.event_seq,
        state_hash: String::new(),
    })
}
