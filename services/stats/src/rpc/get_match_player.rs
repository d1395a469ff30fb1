use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};

use super::answer::Answer;
use super::parse;
use crate::convert::stats;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetMatchPlayerRequest,
) -> Result<Answer<pb::GetMatchPlayerResponse>> {
    let pb::GetMatchPlayerRequest { match_id, player_id, consistency, max_age, as_of_version } =
        request;
    let player_id = parse::player_id(&player_id)?;
    let view = parse::view(&engine, &match_id, consistency, max_age, as_of_version).await?;
    let player = view.player(player_id.as_str()).ok_or_else(|| {
        Error::new(Code::NotFound, "nothing is known of this player in the match")
            .with_fact("playerId", &player_id)
    })?;
    let message = pb::GetMatchPlayerResponse {
        player: Some(stats::player(&player)),
        version: view.version() as i64,
    };
    Ok(Answer::at(message, view.version()))
}
