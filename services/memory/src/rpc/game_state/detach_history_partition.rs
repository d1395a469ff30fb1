use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::DetachHistoryPartitionRequest,
) -> Result<pb::DetachHistoryPartitionResponse> {
    game.detach_partition(&request.name).await?;
    Ok(pb::DetachHistoryPartitionResponse { table: request.name })
}
