//! Numbers of the rules as the contract has them.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::PlayerStats;

pub(crate) fn combat_stats(
    player_id: &str,
    stats: &PlayerStats,
    sessions: u32,
    score: i64,
) -> pb::CombatStats {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let ratio = |part: u32, whole: u32| {
        if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
    };
    pb::CombatStats {
        player_id: player_id.to_owned(),
        sessions,
        kills: stats.kills,
        deaths: stats.deaths,
        assists: stats.assists,
        shots: stats.shots,
        hits: stats.hits,
        headshots: stats.head_hits,
        damage_dealt: signed(stats.damage_dealt),
        damage_taken: signed(stats.damage_taken),
        healing: signed(stats.healing_done),
        score,
        accuracy: ratio(stats.hits, stats.shots),
        kd_ratio: f64::from(stats.kills) / f64::from(stats.deaths.max(1)),
        refused: stats.shots_refused,
        corrections: stats.corrections,
        head_kills: stats.head_kills,
        distance_m: stats.distance_q as f64 / 1_024.0,
    }
}
