use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::{Player, PlayerStats};

use super::replay_session::until;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::recover::Fold;
use crate::replay::seek::seek_by;
use crate::stats::combat_stats;
use crate::stored::{BLOCK, Block, Keyframe};

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::GetSessionStatsRequest,
) -> Result<pb::GetSessionStatsResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let seen = until(&edge, &caller, &session).await?;
    let (state, events, verdicts) = match (seen.until_us, seen.newest.verdicts) {
        (None, Some(verdicts)) => (seen.newest.state, seen.newest.events.last(), verdicts),
        (until_us, _) => {
            let created_us = seen.newest.header.created_us;
            let until_us = until_us.unwrap_or(i64::MAX).saturating_sub(created_us);
            let fold = fold_until(&edge, &session, until_us).await?;
            (fold.state, fold.events.last(), fold.verdicts.unwrap_or_default())
        }
    };
    let mut answer = pb::GetSessionStatsResponse::default();
    answer.verdicts.extend(verdicts.counts().clone());
    let mut totals = PlayerStats::default();
    state.players.iter().for_each(|player| totals.add(&player.stats));
    let mut players: Vec<&Player> = state.players.iter().collect();
    players.sort_by_key(|player| std::cmp::Reverse(player.stats.kills));
    let from = state.started_at_us.unwrap_or(state.at_us);
    let to = state.ended_at_us.unwrap_or(state.at_us);
    answer.session_id = request.session_id;
    state.status.name().clone_into(&mut answer.status);
    answer.duration_ms = (to.saturating_sub(from) / 1_000) as i64;
    answer.events = events;
    answer.totals = Some(combat_stats("", &totals, 1, 0));
    answer.players = players
        .into_iter()
        .map(|player| combat_stats(&player.id, &player.stats, 1, player.score.into()))
        .collect();
    Ok(answer)
}

/// The session as it was at a moment, from the keyframe before. A session that an older build wrote is
/// counted from its start.
async fn fold_until(edge: &Edge, session: &SessionId, until_us: i64) -> Result<Fold> {
    let until_us = u64::try_from(until_us).unwrap_or(0);
    let is_before = |keyframe: &Keyframe| {
        Ok(keyframe.verdicts.is_some() && keyframe.session()?.at_us <= until_us)
    };
    let mut sought = seek_by(&edge.shared, session, is_before).await?;
    let mut next = sought.block.take();
    loop {
        let block = match next.take() {
            Some(block) => block,
            None => match sought.rest.next().await? {
                Some(event) if &*event.kind == BLOCK => Block::read(&event.data)?,
                Some(_) => continue,
                None => return Ok(sought.fold),
            },
        };
        for record in block.records() {
            let record = record?;
            if record.at_us > until_us {
                return Ok(sought.fold);
            }
            if record.number > sought.fold.state.version {
                sought.fold.take(&record)?;
            }
        }
    }
}
