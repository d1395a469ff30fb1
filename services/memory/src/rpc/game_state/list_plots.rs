use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::StreamName;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::world::to_plot;
use crate::game::{Game, PLOT};

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::ListPlotsRequest,
) -> Result<pb::ListPlotsResponse> {
    let size = parse::page_size(request.page_size)?;
    let (bound, now_us) = (parameters(&["plots"], 0), game.clock.now_micros());
    let tokens = &game.documents.tokens;
    let after = match &*request.page_token {
        "" => None,
        token => Some(tokens.check("pageToken", token, Kind::Page, bound, now_us)?.key),
    };
    game.tables_written("").await?;
    let page = game.documents.tables.list(PLOT, after.as_deref(), size).await?;
    let mut plots = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let stream = StreamName::new(PLOT, &row.id);
        let plot = game.documents.history.of_row(&stream, row).await?;
        plots.push(to_plot(&stream, &plot));
    }
    let next_page_token = match page.rows.last() {
        Some(last) if page.more => {
            let claim = Claim { parameters: bound, key: last.id.clone(), ..Claim::default() };
            tokens.issue(Kind::Page, &claim, now_us)
        }
        _ => String::new(),
    };
    Ok(pb::ListPlotsResponse { plots, next_page_token })
}
