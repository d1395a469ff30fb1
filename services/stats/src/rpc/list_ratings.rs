use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;

use super::answer::Answer;
use super::{page, parse};
use crate::convert::stats;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::ListRatingsRequest,
) -> Result<Answer<pb::ListRatingsResponse>> {
    let limit = parse::limit(request.limit, 10)?;
    let after = match &*request.page_token {
        "" => None,
        token => Some(page::place(token)?),
    };
    engine.settle().await;
    let now_us = engine.clock.now_micros();
    let ratings = engine.standings.ratings.read();
    let board = ratings.board();
    let from = after.map_or(0, |after| {
        let index = board.index(&after);
        index + usize::from(board.nth(index) == Some(&after))
    });
    let places: Vec<_> = board.from(from).take(limit).collect();
    let shown = places.iter().enumerate().filter_map(|(index, place)| {
        let skill = ratings.skill(place.player.as_str())?;
        Some(stats::rating(&place.player, skill, (from + index + 1) as u64, now_us))
    });
    let next = places.last().filter(|_| from + places.len() < board.len());
    Ok(Answer::new(pb::ListRatingsResponse {
        ratings: shown.collect(),
        total: board.len() as i64,
        matches: ratings.rated_matches() as i64,
        next_page_token: next.map(|place| page::after_place(place)).unwrap_or_default(),
    }))
}
