use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::combat::{Event, Player, PlayerStats};

use super::replay_session::until;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::replay::seek::start;
use crate::stats::combat_stats;
use crate::stored::{BLOCK, Block};

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::GetSessionStatsRequest,
) -> Result<pb::GetSessionStatsResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let until_us = until(&edge, &caller, &session).await?;
    let mut sought = start(&edge.shared, &session).await?;
    let mut answer = pb::GetSessionStatsResponse::default();
    let mut next = sought.block.take();
    loop {
        let block = match next.take() {
            Some(block) => block,
            None => match sought.rest.next().await? {
                Some(event) if &*event.kind == BLOCK => Block::read(&event.data)?,
                Some(_) => continue,
                None => break,
            },
        };
        for record in block.records() {
            let record = record?;
            let time_us = sought.fold.header.created_us.saturating_add(record.at_us as i64);
            if record.number <= sought.fold.state.version {
                continue;
            }
            if until_us.is_some_and(|until_us| time_us > until_us) {
                break;
            }
            sought.fold.state.apply(&record)?;
            sought.fold.tell(&record);
            let judged = match &record.event {
                Event::Fired(fired) => Some(fired.verdict.reason),
                Event::ShotRefused(refused) => Some(refused.verdict.reason),
                Event::Acted(acted) => Some(acted.verdict.reason),
                Event::ActionRefused(refused) => Some(refused.verdict.reason),
                Event::Corrected(corrected) => Some(corrected.verdict.reason),
                Event::Moved(_) => Some(gamemesh_domain::combat::Reason::Accepted),
                _ => None,
            };
            if let Some(reason) = judged {
                *answer.verdicts.entry(reason.name().to_owned()).or_default() += 1;
            }
        }
    }
    let state = &sought.fold.state;
    let mut totals = PlayerStats::default();
    state.players.iter().for_each(|player| totals.add(&player.stats));
    let mut players: Vec<&Player> = state.players.iter().collect();
    players.sort_by_key(|player| std::cmp::Reverse(player.stats.kills));
    let from = state.started_at_us.unwrap_or(state.at_us);
    let to = state.ended_at_us.unwrap_or(state.at_us);
    answer.session_id = request.session_id;
    state.status.name().clone_into(&mut answer.status);
    answer.duration_ms = (to.saturating_sub(from) / 1_000) as i64;
    answer.events = sought.fold.events.last();
    answer.totals = Some(combat_stats("", &totals, 1, 0));
    answer.players = players
        .into_iter()
        .map(|player| combat_stats(&player.id, &player.stats, 1, player.score.into()))
        .collect();
    Ok(answer)
}
