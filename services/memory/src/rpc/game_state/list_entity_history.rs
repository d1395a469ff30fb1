use std::sync::Arc;

use gamemesh_contracts::common::v1::EventMetadata;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_documents::Filling;
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{Direction, Event};
use gamemesh_rpc::caller::Caller;
use prost::Message as _;

use super::super::parse;
use crate::convert::time::to_timestamp;
use crate::game::entities::entity;
use crate::game::{Game, not_found};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::ListEntityHistoryRequest,
) -> Result<pb::ListEntityHistoryResponse> {
    let stream = game.entity_stream(&request.entity_id)?;
    let size = parse::page_size(request.page_size)?;
    let from = u64::try_from(request.from_version)
        .map_err(|_| Error::invalid("fromVersion", "accepts 0 or more"))?;
    let newest = game.read(&stream, "").await?.version;
    if newest == 0 {
        return Err(not_found(&stream));
    }
    caller.may_read_many()?;
    let (from, direction) = match (from, request.backwards) {
        (0, true) => (newest, Direction::Backward),
        (from, true) => (from.min(newest), Direction::Backward),
        (from, false) => (from.max(1), Direction::Forward),
    };
    let events = game.documents.read_part(&stream, from, size, direction).await?;
    let mut versions: Vec<pb::EntityVersion> = Vec::with_capacity(events.len());
    let mut filling = Filling::default();
    for event in &events {
        if filling.is_full() {
            break;
        }
        let state = game.documents.history.state_at(&stream, event.version).await?;
        let version = pb::EntityVersion {
            version: event.version as i64,
            time: Some(to_timestamp(event.time_us)),
            actor: actor(event)?,
            kind: event.kind.to_string(),
            entity: state.exists().then(|| entity(&stream, &state)),
        };
        filling.add(version.encoded_len());
        versions.push(version);
    }
    caller.has_read(versions.len(), filling.bytes());
    Ok(pb::ListEntityHistoryResponse { versions })
}

fn actor(event: &Event) -> Result<String> {
    let metadata = EventMetadata::decode(event.meta.clone()).map_err(Error::internal)?;
    Ok(metadata.actor)
}
