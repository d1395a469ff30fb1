use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ListCollectionsRequest, ListCollectionsResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::convert::collection::to_collection;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    _: ListCollectionsRequest,
) -> Result<ListCollectionsResponse> {
    let known = engine.collections().await?;
    let collections = known.iter().map(|known| to_collection(known, None)).collect();
    Ok(ListCollectionsResponse { collections })
}
