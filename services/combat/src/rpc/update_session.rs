use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Error, Result};

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::shard::command::{Changes, What};

const REASON_BYTES_MAX: usize = 256;

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::UpdateSessionRequest,
) -> Result<pb::UpdateSessionResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let changes = Changes {
        name: request.name,
        status: request.status,
        max_players: request.max_players,
        reason: reason(request.reason)?,
        expected_revision: request.expected_revision,
        end: false,
    };
    let session = edge.shards.ask(session, |reply| What::Update(Box::new(changes), reply)).await?;
    Ok(pb::UpdateSessionResponse { session: Some(session) })
}

pub(super) fn reason(reason: String) -> Result<String> {
    if reason.len() > REASON_BYTES_MAX {
        return Err(Error::invalid("reason", format!("accepts at most {REASON_BYTES_MAX} bytes")));
    }
    Ok(reason)
}
