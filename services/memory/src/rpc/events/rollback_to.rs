use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::document::Expectation;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_rpc::caller::Caller;

use crate::game::{Game, Order, metadata, not_found};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::RollbackToRequest,
) -> Result<pb::RollbackToResponse> {
    let stream = game.events_stream(&request.stream_id)?;
    let newest = match game.documents.log.head(&stream).await? {
        Some(head) => head.version,
        None => return Err(not_found(&stream)),
    };
    let to = u64::try_from(request.to_version).ok().filter(|to| *to <= newest);
    let to = to.ok_or_else(|| {
        let what = format!("accepts 0 to {newest}, the newest version");
        Error::new(Code::OutOfHistory, format!("toVersion: {what}")).with_field("toVersion", what)
    })?;
    let expected = match caller.expectation(request.expected_version, false)? {
        Expectation::Version(0) => Expectation::NoEvents,
        expected => expected,
    };
    let order = Order {
        stream,
        expected,
        commands: vec![game.rollback(to)?],
        event_ids: Vec::new(),
        idempotency: None,
        metadata: metadata(&caller)?,
    };
    let (aggregate, _) = game.write(order).await?;
    Ok(pb::RollbackToResponse { version: aggregate.version as i64 })
}
