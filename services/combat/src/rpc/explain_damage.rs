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
use crate::replay::seek::{Sought, seek_by, start};
use crate::stored::{BLOCK, Block, Keyframe};

/// Events that one shot is said to have caused.
const EVENTS_MAX: usize = 64;

/// They come within this time of it: a projectile may fly for a while.
const CAUSED_WITHIN_US: u64 = 10_000_000;

/// Log events that are looked through from the keyframe before the shot, and from the start for a number
/// that was refused out of order. Further on it is not looked for: the replay has all of it.
const LOG_EVENTS_MAX: usize = 4_096;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::ExplainDamageRequest,
) -> Result<pb::ExplainDamageResponse> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    let player = caller.asks_about("playerId", &request.player_id)?;
    let until_us = until(&edge, &caller, &session).await?.until_us;
    let (name, shot) = (player.as_str(), request.shot);
    // As of a keyframe, the shot had not come yet.
    let is_before = |keyframe: &Keyframe| {
        let state = keyframe.session()?;
        let shooter = state.player_no(name).and_then(|player| state.player(player));
        Ok(shooter.is_none_or(|shooter| u64::from(shooter.shots.top()) < shot))
    };
    let sought = seek_by(&edge.shared, &session, is_before).await?;
    let looked = async |mut sought: Sought| {
        let (found, found_us, is_done) = (None, 0, false);
        let mut search = Search { player: name, shot, until_us, found, found_us, is_done };
        if let Some(block) = &sought.block {
            search.block(&mut sought.fold, block)?;
        }
        for _ in 0..LOG_EVENTS_MAX {
            if search.is_done {
                break;
            }
            let Some(event) = sought.rest.next().await? else { break };
            if &*event.kind == BLOCK {
                search.block(&mut sought.fold, &Block::read(&event.data)?)?;
            }
        }
        Ok::<_, Error>(search.found)
    };
    let mut found = looked(sought).await?;
    if found.is_none() {
        // A number that was refused as out of order has left no mark in the keyframes.
        found = looked(start(&edge.shared, &session).await?).await?;
    }
    found.ok_or_else(|| {
        let what = format!("{player} has fired no shot {} in this session", request.shot);
        Error::new(Code::NotFound, what)
    })
}

struct Search<'a> {
    player: &'a str,
    shot: u64,
    until_us: Option<i64>,
    found: Option<pb::ExplainDamageResponse>,
    /// When it was fired, in the session's time.
    found_us: u64,
    is_done: bool,
}

impl Search<'_> {
    fn block(&mut self, fold: &mut Fold, block: &Block) -> Result<()> {
        for record in block.records() {
            let record = record?;
            let time_us = fold.header.created_us.saturating_add(record.at_us as i64);
            let is_visible = self.until_us.is_none_or(|until_us| time_us <= until_us);
            if record.number <= fold.state.version {
                continue;
            }
            let is_late = record.at_us > self.found_us.saturating_add(CAUSED_WITHIN_US);
            if !is_visible || (self.found.is_some() && is_late) {
                self.is_done = true;
                return Ok(());
            }
            let told = fold.take(&record)?;
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
            self.found_us = record.at_us;
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
