use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use super::update_session::reason;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::{Changes, What};

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::EndSessionRequest,
) -> Result<pb::EndSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let reason = reason(request.reason)?;
    let changes = Changes { reason, end: true, ..Changes::default() };
    let session = edge.shards.ask(session, |reply| What::Update(Box::new(changes), reply)).await?;
    Ok(pb::EndSessionResponse { session: Some(session) })
}
