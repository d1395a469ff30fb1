use std::sync::Arc;

use gamemesh_contracts::state::v1::{GetPlayerRequest, GetPlayerResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: GetPlayerRequest,
) -> Result<Answer<GetPlayerResponse>> {
    let GetPlayerRequest { player_id, consistency, token, max_age } = request;
    let (stream, _) = parse::player(&engine, &player_id)?;
    caller.may_read(&stream)?;
    let freshness = parse::freshness(&engine, consistency, &token, max_age.as_ref())?;
    let answered = engine.documents.observed_read(&stream, &freshness).await?;
    if !answered.aggregate.exists() {
        return Err(parse::not_found(&stream));
    }
    let freshness = parse::freshness_of(&engine, &stream, &answered);
    let player = Some(convert::player::to_player(&player_id, &answered.aggregate));
    let message = GetPlayerResponse { player, freshness: Some(freshness.clone()) };
    Ok(Answer::read(message, &freshness, caller.if_none_match.as_deref()))
}
