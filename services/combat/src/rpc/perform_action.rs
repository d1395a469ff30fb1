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
    request: pb::PerformActionRequest,
) -> Result<pb::PerformActionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let action = request.action.ok_or_else(|| Error::invalid("action", "is required"))?;
    if action.number == 0 {
        return Err(Error::invalid("action.number", "accepts 1 and more: it counts the actions"));
    }
    let answer = judged(&edge, session, player, Input::Action(action), None).await?;
    Ok(pb::PerformActionResponse {
        verdict: Some(answer.verdict),
        ack: answer.ack.into(),
        event_seq: answer.event_seq,
        repeated_write: answer.repeated,
    })
}
