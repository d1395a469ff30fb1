use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::Direction;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::game::Game;
use crate::game::streams::to_event;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::ReadStreamRequest,
) -> Result<pb::ReadStreamResponse> {
    let stream = game.events_stream(&request.stream_id)?;
    caller.may_read_many()?;
    let size = parse::page_size(request.page_size)?;
    let from = u64::try_from(request.from_version)
        .map_err(|_| Error::invalid("fromVersion", "accepts 0 or more"))?;
    let newest = game.documents.log.head(&stream).await?.map_or(0, |head| head.version);
    let (from, direction) = match (from, request.backwards) {
        (0, true) => (newest, Direction::Backward),
        (from, true) => (from.min(newest), Direction::Backward),
        (from, false) => (from.max(1), Direction::Forward),
    };
    let events = match newest {
        0 => Vec::new(),
        _ => game.documents.read_part(&stream, from, size, direction).await?,
    };
    caller.has_read(events.len(), events.iter().map(|event| event.data.len()).sum());
    let more = events.last().is_some_and(|last| match direction {
        Direction::Forward => last.version < newest,
        Direction::Backward => last.version > 1,
    });
    let events = events.iter().map(to_event).collect::<Result<_>>()?;
    Ok(pb::ReadStreamResponse { events, version: newest as i64, more })
}
