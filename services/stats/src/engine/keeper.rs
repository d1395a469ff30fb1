//! The keeper of a lane: what was counted goes to the tables, together with how far it goes, so that a
//! restart begins there.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_domain::stats::Name;
use gamemesh_repository::{Lane, LogError, MatchStatsRow, Position, StatsProgress, StatsWrite};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::shard::Work;

/// How often the keeper looks what there is.
const INTERVAL: Duration = Duration::from_secs(1);

/// What one shard hands over at once.
pub(super) const ROWS_MAX: usize = 256;

/// What is to be kept of a shard's matches of a lane.
#[derive(Debug, Default)]
pub(super) struct Keep {
    pub(super) rows: Vec<MatchStatsRow>,
    /// Everything up to here is in these rows or was in earlier ones; `None`: everything.
    pub(super) floor: Option<Position>,
}

pub(super) async fn run(
    engine: Arc<Engine>,
    lane: Lane,
    mut position: Position,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ending = tokio::select! {
            _ = tick.tick() => false,
            () = stop.cancelled() => true,
        };
        match keep(&engine, lane, position, ending).await {
            Ok(to) => position = to,
            Err(LogError::Fenced) => {
                // Another instance has kept more: its rows and ours come to the same.
                match engine.tables.stats_progress(lane).await {
                    Ok(progress) => position = progress.position,
                    Err(error) => tracing::warn!(%error, lane = lane.0, "the tables do not answer"),
                }
            }
            Err(error) => tracing::warn!(%error, lane = lane.0, "matches could not be kept"),
        }
        if ending {
            return;
        }
    }
}

/// Keeps what is due; answers how far the rows go now.
async fn keep(
    engine: &Engine,
    lane: Lane,
    from: Position,
    all: bool,
) -> Result<Position, LogError> {
    let mut to = engine.handed(lane);
    let mut shares = Vec::new();
    for shard in &engine.shards {
        let (reply, answer) = oneshot::channel();
        if shard.send(Work::Keep { lane, all, reply }).await.is_err() {
            return Ok(from);
        }
        shares.push(answer);
    }
    let mut matches = Vec::new();
    for share in shares {
        let Ok(Keep { rows, floor }) = share.await else { return Ok(from) };
        matches.extend(rows);
        to = floor.map_or(to, |floor| to.min(floor));
    }
    let to = to.max(from);
    if matches.is_empty() && to == from {
        return Ok(from);
    }
    let kept: Vec<(String, u64)> =
        matches.iter().map(|row| (row.match_id.clone(), row.version)).collect();
    let progress = StatsProgress { position: to, state: engine.producers.encode().into() };
    let written = engine.tables.write_stats(StatsWrite { lane, from, to: progress, matches }).await;
    for (match_id, version) in kept {
        let shard = &engine.shards[engine.shard_of(&match_id)];
        let is_kept = written.is_ok();
        if let Ok(id) = Name::parse("matchId", &match_id) {
            let _ = shard.send(Work::Kept { id, version, is_kept }).await;
        }
    }
    written.map(|()| to)
}
