use std::sync::Arc;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::combat_event::Event as Told;
use gamemesh_domain::combat::{Event, Record};
use gamemesh_domain::{Code, Error, Result};

use super::replay_session::until;
use crate::caller::Caller;
use crate::convert::verdict;
use crate::edge::Edge;
use crate::ids::SessionId;
use crate::recover::Fold;
use crate::replay::seek::start;
use crate::stored::{BLOCK, Block};

/// Events that one shot is said to have caused.
const EVENTS_MAX: usize = 64;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::ExplainDamageRequest,
) -> Result<pb::ExplainDamageResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.player("playerId", &request.player_id)?;
    let until_us = until(&edge, &caller, &session).await?;
    let mut sought = start(&edge.shared, &session).await?;
    let mut search = Search { player: player.as_str(), shot: request.shot, until_us, found: None };
    if let Some(block) = &sought.block {
        search.block(&mut sought.fold, block)?;
    }
    while let Some(event) = sought.rest.next().await? {
        if &*event.kind == BLOCK {
            search.block(&mut sought.fold, &Block::read(&event.data)?)?;
        }
    }
    search.found.ok_or_else(|| {
        let what = format!("{player} has fired no shot {} in this session", request.shot);
        Error::new(Code::NotFound, what)
    })
}

struct Search<'a> {
    player: &'a str,
    shot: u64,
    until_us: Option<i64>,
    found: Option<pb::ExplainDamageResponse>,
}

impl Search<'_> {
    fn block(&mut self, fold: &mut Fold, block: &Block) -> Result<()> {
        for record in block.records() {
            let record = record?;
            let time_us = fold.header.created_us.saturating_add(record.at_us as i64);
            let is_visible = self.until_us.is_none_or(|until_us| time_us <= until_us);
            if record.number <= fold.state.version || !is_visible {
                continue;
            }
            fold.state.apply(&record)?;
            let told = fold.tell(&record);
            self.look(fold, &record);
            if let (Some(told), Some(found)) = (told, &mut self.found)
                && found.events.len() < EVENTS_MAX
                && caused(&told, self.player, self.shot)
            {
                found.events.push(told);
            }
        }
        Ok(())
    }

    fn look(&mut self, fold: &Fold, record: &Record) {
        let (input, judged) = match &record.event {
            Event::Fired(fired) => (&fired.input, &fired.verdict),
            Event::ShotRefused(refused) => (&refused.input, &refused.verdict),
            _ => return,
        };
        let named = fold.named();
        if self.found.is_none()
            && u64::from(input.seq) == self.shot
            && named.player(input.player) == self.player
        {
            let verdict = verdict::of(named, self.player, "shot", self.shot, judged);
            self.found =
                Some(pb::ExplainDamageResponse { verdict: Some(verdict), events: Vec::new() });
        }
    }
}

/// Whether an event is one of a shot.
fn caused(event: &pb::CombatEvent, player: &str, shot: u64) -> bool {
    match &event.event {
        Some(Told::Fired(fired)) => fired.player_id == player && fired.shot == shot,
        Some(Told::Damaged(damaged)) => damaged.source_id == player && damaged.shot == shot,
        _ => false,
    }
}
