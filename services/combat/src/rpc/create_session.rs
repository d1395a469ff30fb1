use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_ownership::Forwarder;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::forwarding::new_name;
use crate::ids::SessionId;
use crate::shard::command::{Created, Creation, What};

/// What a session is to be called, and so who owns it.
pub(super) struct Named {
    pub(super) session: SessionId,
    /// A second request of the same key finds what the first has made.
    pub(super) is_recognised: bool,
}

pub(super) fn name(
    caller: &Caller,
    request: &pb::CreateSessionRequest,
    forwarder: Option<&Arc<Forwarder>>,
) -> Result<Named> {
    let idempotency = caller.idempotency(&request.idempotency_key, request)?;
    let is_recognised = idempotency.is_some();
    let session = match (request.session_id.as_str(), idempotency) {
        ("", None) => new_name(forwarder),
        // The same key leads to the same session, on any instance and after any restart.
        ("", Some(idempotency)) => SessionId::of_key(&idempotency.key),
        (id, _) => SessionId::parse("sessionId", id)?,
    };
    Ok(Named { session, is_recognised })
}

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::CreateSessionRequest,
) -> Result<pb::CreateSessionResponse> {
    let Named { session, .. } = name(&caller, &request, edge.forwarder.as_ref())?;
    let idempotency = caller.idempotency(&request.idempotency_key, &request)?;
    let creation = Creation { request, idempotency, actor: caller.actor() };
    let created: Created =
        edge.shards.ask(session, |reply| What::Create(Box::new(creation), reply)).await?;
    Ok(pb::CreateSessionResponse {
        session: Some(created.session),
        repeated_write: created.repeated,
    })
}
