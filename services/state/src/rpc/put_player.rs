use std::sync::Arc;

use gamemesh_contracts::state::v1::{PutPlayerRequest, PutPlayerResponse};
use gamemesh_domain::document::Command;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: PutPlayerRequest,
) -> Result<Answer<PutPlayerResponse>> {
    let idempotency = caller.idempotency("PutPlayer", &request.idempotency_key, &request)?;
    let inside = request.player.as_ref().map_or(0, |player| player.version);
    let expected = parse::whole_expectation(
        &caller,
        request.expected_version,
        request.must_exist,
        ("player.version", inside),
    )?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let PutPlayerRequest { player_id, player, update_mask, .. } = request;
    let target = parse::player(&engine, &player_id)?;
    let player = player.ok_or_else(|| Error::invalid("player", "the body is the state"))?;
    if !player.player_id.is_empty() && player.player_id != player_id {
        return Err(Error::invalid("player.playerId", "accepts the id of the path, or nothing"));
    }
    let state = convert::player::from_player(player)?;
    let command = match update_mask.filter(|mask| !mask.paths.is_empty()) {
        Some(mask) => Command::Operate {
            operations: convert::player::masked(&mask, &state, &target.1)?,
            create_missing: true,
        },
        None => Command::Replace { state, create_missing: true },
    };
    let part = parse::part(target, expected, command);
    let (aggregate, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
    let player = Some(convert::player::to_player(&player_id, &aggregate));
    let message = PutPlayerResponse { player, write: Some(write.clone()) };
    Ok(Answer::written(message, &write))
}
