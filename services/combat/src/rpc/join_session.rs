use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::{Join, Joined, What};
use crate::token::Holder;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::JoinSessionRequest,
) -> Result<pb::JoinSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let join = Join { player: player.clone(), team: request.team };
    let joined: Joined = edge.shards.ask(session.clone(), |reply| What::Join(join, reply)).await?;
    let now_us = edge.clock.now_micros();
    let (holder, epoch) = (Holder::Player(player), joined.session.epoch);
    Ok(pb::JoinSessionResponse {
        session: Some(joined.session),
        participant: Some(joined.participant),
        resume_token: edge.tokens.resume(&session, &holder, epoch, now_us),
        repeated_write: joined.repeated,
    })
}
