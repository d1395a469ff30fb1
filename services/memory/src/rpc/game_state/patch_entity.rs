use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::PatchEntityRequest,
) -> Result<pb::PatchEntityResponse> {
    let order = game.patch_order(&caller, request)?;
    let stream = order.stream.clone();
    let (aggregate, written) = game.write(order).await?;
    Ok(pb::PatchEntityResponse {
        entity: Some(game.shown(&stream, &aggregate)),
        repeated_write: written.repeated,
    })
}
