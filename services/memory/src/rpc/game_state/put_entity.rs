use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::PutEntityRequest,
) -> Result<pb::PutEntityResponse> {
    let order = game.put_order(&caller, request).await?;
    let stream = order.stream.clone();
    let (aggregate, written) = game.write(order).await?;
    Ok(pb::PutEntityResponse {
        entity: Some(game.shown(&stream, &aggregate)),
        repeated_write: written.repeated,
    })
}
