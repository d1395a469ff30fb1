use std::sync::Arc;

use gamemesh_contracts::state::v1::{SyncGlobalRequest, SyncGlobalResponse};
use gamemesh_domain::Result;

use super::answer::Answer;
use super::get_global::at_least;
use super::parse;
use crate::caller::Caller;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _: Caller,
    request: SyncGlobalRequest,
) -> Result<Answer<SyncGlobalResponse>> {
    let (_, staleness) = engine.feed.progress();
    let mut cut = parse::read_cut(&engine, &request.token)?;
    cut.raise_all(&engine.feed.committed());
    let (global, freshness) = at_least(&engine, cut, staleness).await?;
    let message = SyncGlobalResponse { global: Some(global), freshness: Some(freshness) };
    Ok(Answer::new(message))
}
