use std::sync::Arc;

use futures::Stream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::{Code, Error, Result};

use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::recover::{Recovered, not_found, recover};
use crate::replay::play::{Score, play, speed};
use crate::spectate::Filter;

const PLAYERS_MAX: usize = 128;
const KINDS_MAX: usize = 32;
const FRAMES_HZ_MAX: u32 = 128;

pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    request: pb::ReplaySessionRequest,
) -> Result<impl Stream<Item = Result<pb::ReplaySessionResponse>>> {
    let session = SessionId::parse("sessionId", &request.session_id)?;
    if request.player_ids.len() > PLAYERS_MAX {
        return Err(Error::invalid("playerIds", format!("accepts at most {PLAYERS_MAX}")));
    }
    if request.kinds.len() > KINDS_MAX {
        return Err(Error::invalid("kinds", format!("accepts at most {KINDS_MAX}")));
    }
    if request.frames_hz > FRAMES_HZ_MAX {
        return Err(Error::invalid("framesHz", format!("accepts 0 to {FRAMES_HZ_MAX}")));
    }
    let players = request.player_ids.iter().map(|id| PlayerId::parse("playerIds", id));
    let score = Score {
        from_tick: request.from_tick,
        from_ms: request.from_ms,
        to_tick: (request.to_tick > 0).then_some(request.to_tick),
        speed: speed(request.speed)?,
        filter: Filter { players: players.collect::<Result<_>>()?, kinds: request.kinds },
        frames_hz: request.frames_hz,
        events_only: request.events_only,
        until_us: until(&edge, &caller, &session).await?.until_us,
    };
    play(edge.shared.clone(), session, score).await
}

/// A session as it is, and how much of it a caller may see.
pub(super) struct Seen {
    pub(super) newest: Recovered,
    /// The newest moment that he may see; `None`: all of it.
    pub(super) until_us: Option<i64>,
}

pub(super) async fn until(edge: &Edge, caller: &Caller, session: &SessionId) -> Result<Seen> {
    let newest = recover(&edge.shared, session, 0).await?.ok_or_else(|| not_found(session))?;
    let state = &newest.state;
    let players = state.players.iter().map(|player| &player.id);
    let delay_us = i64::from(state.created.rules.spectate.delay_s) * 1_000_000;
    let sees_present = caller.sees_present(players);
    if !state.status.is_over() && !sees_present && !state.created.rules.spectate.allowed {
        return Err(Error::new(Code::PermissionDenied, "nobody may look on in this session"));
    }
    let sees_all = state.status.is_over() || delay_us == 0 || sees_present;
    let until_us = (!sees_all).then(|| edge.clock.now_micros().saturating_sub(delay_us));
    Ok(Seen { newest, until_us })
}
