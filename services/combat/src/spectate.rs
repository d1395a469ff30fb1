//! What those may see who look on.

use std::time::Duration;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use prost::Message as _;
use tokio::time::Instant;

use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::shard::command::What;
use crate::shard::delay::{Cursor, Taking};
use crate::shard::live::Live;

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

/// One who looks on: where he is, and which events he has had.
#[derive(Debug)]
pub(crate) struct Follower {
    cursor: Cursor,
    filter: Filter,
    /// Number of the last event that he has had; `None`: he begins with the first picture.
    had: Option<u64>,
    /// He has had no frame yet.
    is_new: bool,
}

impl Follower {
    /// He says that he has had the events up to this number; 0: none.
    pub(crate) fn new(filter: Filter, last_event_seq: u64) -> Self {
        let had = (last_event_seq > 0).then_some(last_event_seq);
        Self { cursor: Cursor::default(), filter, had, is_new: true }
    }

    /// His next frame, if there is one that he may see: every event once, also those that were shown while
    /// he was away or did not keep up. Where they are no longer at hand, the frame says so.
    pub(crate) async fn next(
        &mut self,
        edge: &Edge,
        session: &SessionId,
        live: &Live,
    ) -> Option<Bytes> {
        let now = Instant::now();
        let delayed = live.next_frame(&mut self.cursor, now)?;
        let Taking { after, up_to, .. } = delayed.taking();
        // A number that nobody can have been shown is not of this session.
        let is_new = std::mem::take(&mut self.is_new);
        let is_lost = is_new && self.had.is_some_and(|had| had > live.newest_shown(now));
        let had = self.had.filter(|_| !is_lost).unwrap_or(after);
        self.had = Some(had.max(up_to));
        if had == after && !is_lost {
            return Some(self.filter.apply(delayed.frame()));
        }
        let mut frame = pb::ServerFrame::decode(delayed.frame().clone()).ok()?;
        frame.events_skipped |= is_lost;
        if had < after {
            let (after, up_to) = (had, after);
            let ask = |reply| What::Missed { after, up_to, reply };
            match edge.shards.ask(session.clone(), ask).await {
                // More than one frame has room for: the rest comes with the next frames.
                Ok(Some(missed)) if missed.last().is_some_and(|event| event.seq < up_to) => {
                    let reached = missed.last().map_or(had, |event| event.seq);
                    frame.event_seq = reached;
                    frame.events = missed;
                    self.had = Some(reached);
                }
                Ok(Some(missed)) => drop(frame.events.splice(0..0, missed)),
                _ => frame.events_skipped = true,
            }
        }
        frame.events.retain(|event| event.seq > had && self.filter.admits(event));
        Some(frame.encode_to_vec().into())
    }

    /// He does not keep up: goes on at the newest picture that he may see.
    pub(crate) fn skip(&mut self, live: &Live) {
        live.skip(&mut self.cursor, Instant::now());
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
