use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};

use super::answer::Answer;
use super::parse;
use crate::convert::boards;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetRankRequest,
) -> Result<Answer<pb::GetRankResponse>> {
    let (number, metric) = boards::metric_of(&request.metric)?;
    let player = parse::player_id(&request.player_id)?;
    let window = parse::window(&engine, &request.window)?;
    let (around, ascending) =
        (parse::limit(request.around, 0)?, boards::is_ascending(request.order)?);
    let totals = engine.totals_in(window).await?;
    let found = totals.place(player.as_str(), window, number).zip(totals.board(window, number));
    let ((place, _), board) = found.ok_or_else(|| {
        let what = format!(
            "the player is not on this board; it takes {} of {} to be",
            metric.samples_min.max(1),
            metric.denominator.first().or(metric.numerator.first()).map_or("", |f| f.name()),
        );
        Error::new(Code::NotFound, what).with_fact("playerId", &player)
    })?;
    let standing = boards::standing(board, &place, ascending);
    let shown = board.around(standing.ordinal as usize - 1, around);
    Ok(Answer::new(pb::GetRankResponse {
        entry: Some(boards::entry(&place, &standing, metric)),
        total: standing.total as i64,
        top_percent: standing.top_percent(),
        around: boards::entries(board, metric, shown.start, shown.len(), ascending),
        window: window.name(),
    }))
}
