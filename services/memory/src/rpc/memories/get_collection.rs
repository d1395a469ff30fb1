use std::sync::Arc;

use gamemesh_contracts::memory::v1::{GetCollectionRequest, GetCollectionResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: GetCollectionRequest,
) -> Result<GetCollectionResponse> {
    let known = engine.collection(&request.collection_id).await?;
    Ok(GetCollectionResponse { collection: Some(parse::collection(&engine, &known).await?) })
}
