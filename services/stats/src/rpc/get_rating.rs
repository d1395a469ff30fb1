use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::stats::Name;
use gamemesh_domain::{Code, Error, Result};

use super::answer::Answer;
use super::parse;
use crate::convert::stats;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetRatingRequest,
) -> Result<Answer<pb::GetRatingResponse>> {
    let player = parse::player_id(&request.player_id)?;
    engine.settle().await;
    let rating = rating(&engine, &player).ok_or_else(|| {
        Error::new(Code::NotFound, "no match of this player was rated")
            .with_fact("playerId", &player)
    })?;
    Ok(Answer::new(pb::GetRatingResponse { rating: Some(rating) }))
}

/// What is believed of a player now.
pub(super) fn rating(engine: &Engine, player: &Name) -> Option<pb::Rating> {
    let ratings = engine.standings.ratings.read();
    let place = ratings.place(player.as_str())?;
    let rank = ratings.board().standing(&place).ordinal;
    let skill = ratings.skill(player.as_str())?;
    Some(stats::rating(player, skill, rank, engine.clock.now_micros()))
}
