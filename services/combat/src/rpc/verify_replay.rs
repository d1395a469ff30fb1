use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::replay::verify::verify;

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::VerifyReplayRequest,
) -> Result<pb::VerifyReplayResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    verify(&edge.shared, &session).await
}
