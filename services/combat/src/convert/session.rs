//! Sessions and players as the contract has them.

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{
    End, EndReason, Event, LeaveReason, Life, Player, PlayerNo, Session,
};

use super::{Named, stance, timestamp};
use crate::shard::view::Seen;
use crate::stored::Header;

/// A session without what its owner knows beside the rules.
pub(crate) fn bare(state: &Session) -> pb::Session {
    let created = &state.created;
    let participants = state.players.iter().enumerate();
    pb::Session {
        session_id: created.session_id.clone(),
        name: created.name.clone(),
        r#type: created.kind.clone(),
        status: state.status.name().to_owned(),
        max_players: i32::from(created.max_players),
        map_id: created.map_id.clone(),
        game_mode: created.mode.id.clone(),
        participants: participants.map(|(at, player)| participant(at as u32, player)).collect(),
        revision: state.version,
        tick: state.tick.0,
        content_hash: created.content.to_string(),
        end_reason: why_over(state),
        winner: state.end.map(|end| winner(state, &end)).unwrap_or_default(),
        ..pb::Session::default()
    }
}

/// A session with its times and policy.
pub(crate) fn whole(state: &Session, header: &Header) -> pb::Session {
    let at = |us: u64| timestamp(header.created_us.saturating_add(us as i64));
    pb::Session {
        created_at: Some(timestamp(header.created_us)),
        started_at: state.started_at_us.map(at),
        ended_at: state.ended_at_us.map(at),
        policy: header.policy,
        ..bare(state)
    }
}

fn participant(seat: u32, player: &Player) -> pb::Participant {
    pb::Participant {
        player_id: player.id.clone(),
        seat,
        team: player.team.0.into(),
        connected: false,
        left: player.seat.is_none(),
    }
}

pub(crate) const fn leave_reason(why: LeaveReason) -> &'static str {
    match why {
        LeaveReason::Left => "left",
        LeaveReason::Kicked => "kicked",
        LeaveReason::Timeout => "timeout",
    }
}

/// Why a session is over; empty while it goes on.
fn why_over(state: &Session) -> String {
    match state.end {
        Some(end) => end_reason(end.why).to_owned(),
        None => state.aborted_why.clone(),
    }
}

pub(crate) const fn end_reason(why: EndReason) -> &'static str {
    match why {
        EndReason::Asked => "asked",
        EndReason::Score => "score",
        EndReason::Time => "time",
        EndReason::TickLimit => "tick_limit",
        EndReason::Empty => "empty",
    }
}

pub(crate) fn winner(state: &Session, end: &End) -> String {
    match (end.player, end.team.0) {
        (Some(player), _) => state.player(player).map(|p| p.id.clone()).unwrap_or_default(),
        (None, 0) => String::new(),
        (None, team) => format!("team {team}"),
    }
}

/// What flies, and where it is now.
pub(crate) fn flying(named: Named<'_>) -> Vec<pb::Projectile> {
    let (hz, tick) = (named.state.created.rules.tick_hz, named.state.tick);
    let flying = named.state.projectiles.iter();
    flying
        .map(|projectile| pb::Projectile {
            number: projectile.number.0,
            position: Some(super::vector(projectile.place(hz, tick))),
            weapon: named.weapon(projectile.weapon),
        })
        .collect()
}

/// What clients see of a player; `None`: he is not there.
pub(crate) fn seen(named: Named<'_>, player: &Player) -> Option<Seen> {
    player.seat?;
    let held = player.in_hands();
    let [x, y, z] = {
        let place = player.pose.position;
        [place.x, place.y, place.z]
    };
    Some(Seen {
        player_id: player.id.clone(),
        position: [x, y, z],
        yaw: player.pose.look.yaw,
        pitch: player.pose.look.pitch,
        pose: stance(player.pose.stance),
        health: super::signed(player.health),
        armor: super::signed(player.armour.points),
        shield: super::signed(player.shield()),
        alive: player.life == Life::Alive,
        weapon: held.map(|held| named.weapon(held.weapon)).unwrap_or_default(),
        magazine: held.map_or(0, |held| held.rounds.into()),
        effects: player.effects.iter().map(|effect| named.effect(effect.effect)).collect(),
        score: player.score,
        kills: player.stats.kills,
        deaths: player.stats.deaths,
        generation: player.track,
        team: player.team.0.into(),
    })
}

/// The place that a player must echo, if his client has not yet.
pub(crate) fn correction(
    state: &Session,
    player: PlayerNo,
    reason: &str,
) -> Option<pb::Correction> {
    let player = state.player(player).filter(|player| player.awaits_correction)?;
    Some(pb::Correction {
        correction_id: player.correction,
        position: Some(super::vector(player.pose.position)),
        reason: reason.to_owned(),
    })
}

/// Whom a record puts somewhere, and why.
pub(crate) fn placed(event: &Event) -> Option<(PlayerNo, &'static str)> {
    match event {
        Event::Spawned(spawned) => Some((spawned.player, "SPAWNED")),
        Event::Teleported { player, .. } => Some((*player, "TELEPORTED")),
        Event::Corrected(corrected) => Some((corrected.player, corrected.verdict.reason.name())),
        _ => None,
    }
}
