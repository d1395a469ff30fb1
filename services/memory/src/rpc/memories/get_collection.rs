use std::sync::Arc;

use gamemesh_contracts::memory::v1::{GetCollectionRequest, GetCollectionResponse};
use gamemesh_domain::Result;

use super::super::parse;
use crate::caller::Caller;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: GetCollectionRequest,
) -> Result<GetCollectionResponse> {
    caller.may_read()?;
    let known = engine.collection(&request.collection_id).await?;
    Ok(GetCollectionResponse { collection: Some(parse::collection(&engine, &known).await?) })
}
