use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::PlayerStats;

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::PlayerId;
use crate::stats::combat_stats;

pub(super) async fn handle(
    _: Arc<Edge>,
    _: Caller,
    request: pb::GetPlayerStatsRequest,
) -> Result<pb::GetPlayerStatsResponse> {
    let player = PlayerId::parse("playerId", &request.player_id)?;
    let stats = combat_stats(player.as_str(), &PlayerStats::default(), 0, 0);
    Ok(pb::GetPlayerStatsResponse { stats: Some(stats), as_of: None })
}
