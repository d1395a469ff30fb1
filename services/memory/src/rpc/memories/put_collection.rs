use std::sync::Arc;

use gamemesh_contracts::memory::v1::{PutCollectionRequest, PutCollectionResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::collection::from_collection;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: PutCollectionRequest,
) -> Result<PutCollectionResponse> {
    let asked = request.collection.ok_or_else(|| Error::invalid("collection", "is required"))?;
    let collection = from_collection(&request.collection_id, &asked)?;
    let expected = parse::expected(request.expected_version)?;
    let known = engine.put_collection(collection, expected).await?;
    Ok(PutCollectionResponse { collection: Some(parse::collection(&engine, &known).await?) })
}
