use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::GetEntityRequest,
) -> Result<pb::GetEntityResponse> {
    let stream = game.entity_stream(&request.entity_id)?;
    let at_time = request.at_time.as_ref();
    let aggregate = game.read_at(&stream, request.version, at_time, &request.token).await?;
    Ok(pb::GetEntityResponse { entity: Some(game.shown(&stream, &aggregate)) })
}
