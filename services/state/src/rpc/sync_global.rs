use std::sync::Arc;

use gamemesh_contracts::state::v1::{SyncGlobalRequest, SyncGlobalResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::get_global::at_least;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: SyncGlobalRequest,
) -> Result<Answer<SyncGlobalResponse>> {
    caller.without_conditions("a token: nothing is written")?;
    let (_, staleness) = engine.documents.feed.progress();
    let mut cut = engine.documents.read_cut(&request.token)?;
    cut.raise_all(&engine.documents.feed.committed());
    let (global, freshness) = at_least(&engine, cut, staleness).await?;
    let message = SyncGlobalResponse { global: Some(global), freshness: Some(freshness) };
    Ok(Answer::new(message))
}
