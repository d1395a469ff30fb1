use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};

use super::answer::Answer;
use super::{get_rating, parse};
use crate::convert::stats;
use crate::engine::Engine;

/// Matches that an answer names.
const MATCHES_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetPlayerRequest,
) -> Result<Answer<pb::GetPlayerResponse>> {
    let player = parse::player_id(&request.player_id)?;
    let window = parse::window(&engine, &request.window)?;
    let totals = engine.totals_in(window).await?;
    let figures = totals.figures(player.as_str(), window).ok_or_else(|| {
        Error::new(Code::NotFound, "nothing is known of this player in the window")
            .with_fact("playerId", &player)
    })?;
    let shown = stats::figures(&player, figures);
    drop(totals);
    let matches = engine.standings.totals.read().matches_of(player.as_str());
    Ok(Answer::new(pb::GetPlayerResponse {
        player: Some(shown),
        window: window.name(),
        rating: get_rating::rating(&engine, &player),
        match_ids: matches.iter().take(MATCHES_MAX).map(ToString::to_string).collect(),
    }))
}
