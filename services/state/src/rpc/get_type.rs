use std::sync::Arc;

use gamemesh_contracts::state::v1::{GetTypeRequest, GetTypeResponse};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _: Caller,
    request: GetTypeRequest,
) -> Result<Answer<GetTypeResponse>> {
    let schema = engine.documents.types.get(&request.r#type).map_err(|error| {
        // Here the type is what is asked for, not a part of the request that is wrong.
        Error { code: Code::NotFound, ..error }
    })?;
    let schema = Some(convert::schema::to_schema(schema.declaration()));
    Ok(Answer::new(GetTypeResponse { schema }))
}
