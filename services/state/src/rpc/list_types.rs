use std::sync::Arc;

use gamemesh_contracts::state::v1::{ListTypesRequest, ListTypesResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _: Caller,
    ListTypesRequest {}: ListTypesRequest,
) -> Result<Answer<ListTypesResponse>> {
    let schemas = engine.documents.types.all();
    let schemas = schemas.iter().map(|s| convert::schema::to_schema(s.declaration())).collect();
    Ok(Answer::new(ListTypesResponse { schemas }))
}
