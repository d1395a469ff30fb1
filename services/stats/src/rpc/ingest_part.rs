use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::Lane;
use gamemesh_rpc::forward::FromInstance;
use tonic::Extensions;

use crate::block::Content;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    extensions: &Extensions,
    request: pb::IngestPartRequest,
) -> Result<pb::IngestPartResponse> {
    if !FromInstance::is_in(extensions) {
        return Err(Error::new(
            Code::PermissionDenied,
            "only another instance of the store calls this",
        ));
    }
    let lane = u16::try_from(request.lane).ok().map(Lane).filter(|lane| engine.has_lane(*lane));
    let lane = lane.ok_or_else(|| Error::invalid("lane", "accepts a lane of the log"))?;
    let content = Content::decode(&request.content).map_err(|_| {
        Error::invalid("content", "accepts what an instance of this version writes")
    })?;
    for event in &content.events {
        event.check()?;
        if engine.lane_of(&event.match_id) != lane {
            return Err(Error::invalid("content", "accepts events of matches of the lane"));
        }
    }
    let (fates, position) = engine.take_part(lane, content, request.content.len()).await?;
    let fates = fates.into_iter().map(|fate| fate as u8).collect::<Vec<_>>();
    Ok(pb::IngestPartResponse { fates: fates.into(), position })
}
