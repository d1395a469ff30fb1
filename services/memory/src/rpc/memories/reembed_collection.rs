use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ReembedCollectionRequest, ReembedCollectionResponse};
use gamemesh_domain::memory::Model;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: ReembedCollectionRequest,
) -> Result<ReembedCollectionResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let model = request.model.ok_or_else(|| Error::invalid("model", "is required"))?;
    let model = Model::parse(&model.name, &model.version)?;
    let known = engine.reembed(&known, model).await?;
    Ok(ReembedCollectionResponse { collection: Some(parse::collection(&engine, &known).await?) })
}
