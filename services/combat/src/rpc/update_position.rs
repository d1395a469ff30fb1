use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Error, Result};

use super::apply_damage::judged;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::Input;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::UpdatePositionRequest,
) -> Result<pb::UpdatePositionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let mut r#move = request.r#move.ok_or_else(|| Error::invalid("move", "is required"))?;
    r#move.correction_ack = r#move.correction_ack.max(request.correction_id);
    let input = Input::Move(r#move);
    let answer = judged(&edge, session, player, input, request.client_time_us).await?;
    Ok(pb::UpdatePositionResponse {
        verdict: Some(answer.verdict),
        position: answer.position,
        correction: answer.correction,
    })
}
