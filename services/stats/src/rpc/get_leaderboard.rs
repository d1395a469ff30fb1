use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::stats::{Board, WindowKind};

use super::answer::Answer;
use super::{page, parse};
use crate::convert::{boards, time};
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetLeaderboardRequest,
) -> Result<Answer<pb::GetLeaderboardResponse>> {
    let (number, metric) = boards::metric_of(&request.metric)?;
    let window = parse::window(&engine, &request.window)?;
    let (limit, ascending) =
        (parse::limit(request.limit, 10)?, boards::is_ascending(request.order)?);
    let after = match &*request.page_token {
        "" => None,
        token => Some(page::place(token)?),
    };
    let totals = engine.totals_in(window).await?;
    let empty = Board::default();
    let board = totals.board(window, number).unwrap_or(&empty);
    let from = after.map_or(0, |after| {
        // The place itself may have gone: then the page begins with what would follow it.
        let ordinal = boards::standing(board, &after, ascending).ordinal as usize;
        let at = if ascending { board.nth_ascending(ordinal - 1) } else { board.nth(ordinal - 1) };
        ordinal - usize::from(at != Some(&after))
    });
    let entries = boards::entries(board, metric, from, limit, ascending);
    let last = from + entries.len();
    let nth = |index: usize| if ascending { board.nth_ascending(index) } else { board.nth(index) };
    let next = last.checked_sub(1).filter(|_| last < board.len()).and_then(nth);
    let span = Some(window.span_us(totals.season())).filter(|_| window.kind != WindowKind::AllTime);
    Ok(Answer::new(pb::GetLeaderboardResponse {
        metric: metric.name.to_owned(),
        window: window.name(),
        total: board.len() as i64,
        next_page_token: next.map(page::after_place).unwrap_or_default(),
        frozen: totals.is_frozen(window),
        begins_at: span.map(|(from, _)| time::to_timestamp(from)),
        ends_at: span.map(|(_, to)| time::to_timestamp(to)),
        entries,
    }))
}
