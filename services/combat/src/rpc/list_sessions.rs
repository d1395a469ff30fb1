use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;

pub(super) async fn handle(
    _: Arc<Edge>,
    _: Caller,
    _: pb::ListSessionsRequest,
) -> Result<pb::ListSessionsResponse> {
    Ok(pb::ListSessionsResponse::default())
}
