use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::PlayerStats;
use gamemesh_domain::combat::wire::Wire as _;

use crate::caller::Caller;
use crate::convert::timestamp;
use crate::edge::Edge;
use crate::ids::PlayerId;
use crate::stats::combat_stats;

/// Sessions of a player that are added up.
const SESSIONS_MAX: usize = 10_000;

pub(super) async fn handle(
    edge: Arc<Edge>,
    _: Caller,
    request: pb::GetPlayerStatsRequest,
) -> Result<pb::GetPlayerStatsResponse> {
    let player = PlayerId::parse("playerId", &request.player_id)?;
    let rows = edge.tables.player_sessions(player.as_str(), SESSIONS_MAX).await?;
    let (mut total, mut score) = (PlayerStats::default(), 0_i64);
    for row in &rows {
        total.add(&PlayerStats::from_wire(&row.stats)?);
        score = score.saturating_add(row.score);
    }
    let sessions = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    Ok(pb::GetPlayerStatsResponse {
        stats: Some(combat_stats(player.as_str(), &total, sessions, score)),
        as_of: rows.first().map(|row| timestamp(row.updated_us)),
    })
}
