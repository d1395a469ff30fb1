use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::stats::{Board, Place};

use super::answer::Answer;
use super::parse;
use crate::convert::boards;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetMatchLeaderboardRequest,
) -> Result<Answer<pb::GetMatchLeaderboardResponse>> {
    let pb::GetMatchLeaderboardRequest { match_id, metric, limit, order, .. } = &request;
    let (_, metric) = boards::metric_of(metric)?;
    let (limit, ascending) = (parse::limit(*limit, 10)?, boards::is_ascending(*order)?);
    let (consistency, as_of) = (request.consistency, request.as_of_version);
    let view = parse::view(&engine, match_id, consistency, request.max_age, as_of).await?;
    // A match has so few players that its boards are made when somebody asks.
    let board: Board = view
        .players()
        .into_iter()
        .filter_map(|player| {
            let score = metric.score(&player.figures)?;
            Some(Place { score, reached_us: metric.reached_us(&player.figures), player: player.id })
        })
        .collect();
    let message = pb::GetMatchLeaderboardResponse {
        match_id: view.id().to_string(),
        metric: metric.name.to_owned(),
        entries: boards::entries(&board, metric, 0, limit, ascending),
        total: board.len() as i32,
        version: view.version() as i64,
    };
    Ok(Answer::at(message, view.version()))
}
