//! What those may see who look on.

use std::time::Duration;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;

use crate::ids::PlayerId;

/// Frames a second that are recorded for spectators.
pub(crate) const FRAMES_HZ: u32 = 10;

/// Chooses events of a frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only events that concern one of these; empty: all.
    pub(crate) players: Vec<PlayerId>,
    /// Only events of these kinds; empty: all.
    pub(crate) kinds: Vec<String>,
}

impl Filter {
    pub(crate) fn following(player: Option<PlayerId>) -> Self {
        Self { players: player.into_iter().collect(), kinds: Vec::new() }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.players.is_empty() && self.kinds.is_empty()
    }

    /// The frame without the events that were not chosen.
    pub(crate) fn apply(&self, frame: &Bytes) -> Bytes {
        if self.is_open() {
            return frame.clone();
        }
        let Ok(mut decoded) = pb::ServerFrame::decode(frame.clone()) else { return frame.clone() };
        decoded.events.retain(|event| self.admits(event));
        decoded.encode_to_vec().into()
    }

    pub(crate) fn admits(&self, event: &pb::CombatEvent) -> bool {
        let Some(what) = &event.event else { return false };
        let kind = crate::convert::event::kind(what);
        let kind_is_chosen = self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind);
        let concerned = crate::convert::event::players(what);
        let player_is_chosen = self.players.is_empty()
            || concerned.is_empty()
            || self.players.iter().any(|player| concerned.contains(&player.as_str()));
        kind_is_chosen && player_is_chosen
    }
}

/// The session without what would tell the present to somebody who may only see the past.
pub(crate) fn as_seen_from_afar(mut session: pb::Session, delay: Duration) -> pb::Session {
    if delay.is_zero() {
        return session;
    }
    session.tick = 0;
    session.event_seq = 0;
    session.revision = 0;
    if matches!(session.status.as_str(), "ended" | "aborted") {
        return session;
    }
    for participant in &mut session.participants {
        participant.connected = false;
    }
    session.participants.retain(|participant| !participant.left);
    session
}
