use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;

use super::answer::Answer;
use super::{page, parse};
use crate::convert::stats;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::ListActiveMatchesRequest,
) -> Result<Answer<pb::ListActiveMatchesResponse>> {
    let limit = parse::limit(request.limit, 100)?;
    engine.settle().await;
    let active = engine.cells.active();
    let from = match &*request.page_token {
        "" => 0,
        token => {
            let (after, _) = page::name(token)?;
            active.partition_point(|id| *id <= after)
        }
    };
    let shown = &active[from..active.len().min(from + limit)];
    let more = from + shown.len() < active.len();
    let mut matches = Vec::with_capacity(shown.len());
    for id in shown {
        matches.push(stats::summary(&*engine.view(id.as_str(), None).await?));
    }
    Ok(Answer::new(pb::ListActiveMatchesResponse {
        matches,
        next_page_token: shown
            .last()
            .filter(|_| more)
            .map(|last| page::after_name(last, 0))
            .unwrap_or_default(),
        total: active.len() as i32,
    }))
}
