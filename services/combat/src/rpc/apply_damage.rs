use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Error, Result};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::shard::command::{Act, Answer, Input, Origin, What};

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::ApplyDamageRequest,
) -> Result<pb::ApplyDamageResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let shot = request.shot.ok_or_else(|| Error::invalid("shot", "is required"))?;
    if shot.number == 0 {
        return Err(Error::invalid("shot.number", "accepts 1 and more: it counts the shots"));
    }
    let answer = judged(&edge, session, player, Input::Shot(shot), None).await?;
    Ok(pb::ApplyDamageResponse {
        verdict: Some(answer.verdict),
        ack: answer.ack.into(),
        event_seq: answer.event_seq,
        repeated_write: answer.repeated,
    })
}

/// Has the session's owner judge a command that came with a call.
pub(super) async fn judged(
    edge: &Edge,
    session: SessionId,
    player: PlayerId,
    input: Input,
    client_time_us: Option<u64>,
) -> Result<Answer> {
    let arrived = Instant::now();
    let ask = |reply| {
        What::Act(Box::new(Act {
            player,
            input,
            client_time_us,
            snapshot_ack: 0,
            arrived,
            origin: Origin::Call(reply),
        }))
    };
    edge.shards.ask(session, ask).await
}
