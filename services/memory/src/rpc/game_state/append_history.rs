use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use crate::game::Game;

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::AppendHistoryRequest,
) -> Result<pb::AppendHistoryResponse> {
    let (entry_ids, repeated_entries, token) =
        game.append_history(Some(&request.player_id), request.entries).await?;
    Ok(pb::AppendHistoryResponse { entry_ids, repeated_entries, token })
}
