use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::{Created, Creation, What};

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::CreateSessionRequest,
) -> Result<pb::CreateSessionResponse> {
    let idempotency = caller.idempotency(&request.idempotency_key, &request)?;
    let session = match (request.session_id.as_str(), &idempotency) {
        ("", None) => SessionId::generate(),
        // The same key leads to the same session, on any instance and after any restart.
        ("", Some(idempotency)) => SessionId::of_key(&idempotency.key),
        (id, _) => SessionId::parse("sessionId", id)?,
    };
    let creation = Creation { request, idempotency, actor: caller.actor() };
    let created: Created =
        edge.shards.ask(session, |reply| What::Create(Box::new(creation), reply)).await?;
    Ok(pb::CreateSessionResponse {
        session: Some(created.session),
        repeated_write: created.repeated,
    })
}
