//! What happened in a session: the content of its log, and all that its state is made of.
//!
//! An event holds every outcome that needed the content (damage, times, places), so that a fold needs
//! nothing but the log, and every input that was judged, so that it can be judged again.

mod effects;
mod session;

pub use effects::{Acted, ActionRefused, Cause, Damaged, Died, Projectile};
pub use session::{
    Carried, Corrected, Created, End, EndReason, Fired, LeaveReason, Moved, Prepared, ShotRefused,
    Spawned, Worn,
};

use super::effect::{EffectEnd, EffectKey, EffectState};
use super::fixed::{Look, Vec3};
use super::ids::{ActionNo, PlayerNo, ProjectileNo, TeamNo, Tick};
use super::wire::{Reader, Wire, wire_enum, wire_struct};
use crate::Result;

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first, without gaps.
    pub number: u64,
    /// The session's tick when it happened.
    pub tick: Tick,
    /// Microseconds since the session was created, on the owner's monotonic clock.
    pub at_us: u64,
    pub event: Event,
}

wire_struct!(Record { number, tick, at_us, event });

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire()
    }

    /// As [`Event::decode`]: for a fold.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::from_wire(bytes)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Created(Box<Created>),
    Updated {
        name: Option<String>,
        max_players: Option<u8>,
    },
    Started,
    Paused,
    Resumed,
    Ended(End),
    Aborted {
        why: String,
    },

    Joined {
        player: PlayerNo,
        player_id: String,
        seat: u8,
        team: TeamNo,
    },
    Left {
        player: PlayerNo,
        why: LeaveReason,
    },
    TeamChanged {
        player: PlayerNo,
        team: TeamNo,
    },
    Spawned(Box<Spawned>),

    Moved(Moved),
    /// A move that came too late to count: only the clock remembers it.
    MoveStale {
        player: PlayerNo,
        client_us: u64,
    },
    /// A move was refused: the player stands where he stood, until he echoes `correction`.
    Corrected(Box<Corrected>),
    Teleported {
        player: PlayerNo,
        correction: u32,
        position: Vec3,
        look: Look,
    },

    Fired(Box<Fired>),
    ShotRefused(Box<ShotRefused>),
    Switched {
        player: PlayerNo,
        slot: u8,
        ready_at: Tick,
        speed_permille: u32,
    },
    ReloadStarted {
        player: PlayerNo,
        ready_at: Tick,
    },
    ReloadEnded {
        player: PlayerNo,
        slot: u8,
        rounds: u16,
        reserve: u16,
    },

    Launched(Box<Projectile>),
    /// Stopped at a wall: it lies there until its fuse has burnt.
    ProjectileStopped {
        projectile: ProjectileNo,
        position: Vec3,
    },
    Exploded {
        projectile: ProjectileNo,
        position: Vec3,
    },

    Damaged(Damaged),
    Healed {
        player: PlayerNo,
        by: Option<PlayerNo>,
        cause: Cause,
        amount: u32,
    },
    Died(Box<Died>),

    Acted(Box<Acted>),
    ActionRefused(Box<ActionRefused>),
    CastDone {
        player: PlayerNo,
        action: ActionNo,
    },
    CastInterrupted {
        player: PlayerNo,
        action: ActionNo,
        energy_back: u32,
    },
    EffectApplied {
        player: PlayerNo,
        effect: Box<EffectState>,
        replaces: Option<EffectKey>,
    },
    EffectPulsed {
        player: PlayerNo,
        effect: EffectKey,
        next_at: Tick,
    },
    EffectEnded {
        player: PlayerNo,
        effect: EffectKey,
        why: EffectEnd,
    },

    RoundStarted {
        round: u32,
        ends_at: Tick,
    },
    RoundEnded {
        round: u32,
        winner: TeamNo,
        next_at: Tick,
    },
    /// The tick is over: the positions of now are what it will have looked like.
    Ticked {
        tick: Tick,
    },
}

wire_enum!(Event {
    1 => Created(created),
    2 => Updated { name, max_players },
    3 => Started,
    4 => Paused,
    5 => Resumed,
    6 => Ended(end),
    7 => Aborted { why },
    10 => Joined { player, player_id, seat, team },
    11 => Left { player, why },
    12 => TeamChanged { player, team },
    13 => Spawned(spawned),
    20 => Moved(moved),
    21 => MoveStale { player, client_us },
    22 => Corrected(corrected),
    23 => Teleported { player, correction, position, look },
    30 => Fired(fired),
    31 => ShotRefused(refused),
    32 => Switched { player, slot, ready_at, speed_permille },
    33 => ReloadStarted { player, ready_at },
    34 => ReloadEnded { player, slot, rounds, reserve },
    40 => Launched(projectile),
    41 => ProjectileStopped { projectile, position },
    42 => Exploded { projectile, position },
    50 => Damaged(damaged),
    51 => Healed { player, by, cause, amount },
    52 => Died(died),
    60 => Acted(acted),
    61 => ActionRefused(refused),
    62 => CastDone { player, action },
    63 => CastInterrupted { player, action, energy_back },
    64 => EffectApplied { player, effect, replaces },
    65 => EffectPulsed { player, effect, next_at },
    66 => EffectEnded { player, effect, why },
    70 => RoundStarted { round, ends_at },
    71 => RoundEnded { round, winner, next_at },
    80 => Ticked { tick },
});

impl Event {
    /// The event as bytes for the log.
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire()
    }

    /// For a fold: an unknown event, or one with unknown fields, is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::from_wire(bytes)
    }

    /// For a reader who only shows what happened: none for a kind that a later version has added, and
    /// fields that follow the known ones are passed over.
    pub fn decode_known(bytes: &[u8]) -> Result<Option<Self>> {
        let mut reader = Reader::new(bytes);
        let tag = Reader::new(bytes).varint()?;
        if Self::KNOWN_TAGS.contains(&tag) { Self::read(&mut reader).map(Some) } else { Ok(None) }
    }

    /// What happened, in one word that stays the same.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "session_created",
            Self::Updated { .. } => "session_updated",
            Self::Started => "session_started",
            Self::Paused => "session_paused",
            Self::Resumed => "session_resumed",
            Self::Ended(_) => "session_ended",
            Self::Aborted { .. } => "session_aborted",
            Self::Joined { .. } => "player_joined",
            Self::Left { .. } => "player_left",
            Self::TeamChanged { .. } => "team_changed",
            Self::Spawned(_) => "player_spawned",
            Self::Moved(_) => "moved",
            Self::MoveStale { .. } => "move_stale",
            Self::Corrected(_) => "move_corrected",
            Self::Teleported { .. } => "teleported",
            Self::Fired(_) => "shot_fired",
            Self::ShotRefused(_) => "shot_refused",
            Self::Switched { .. } => "weapon_switched",
            Self::ReloadStarted { .. } => "reload_started",
            Self::ReloadEnded { .. } => "reload_ended",
            Self::Launched(_) => "projectile_launched",
            Self::ProjectileStopped { .. } => "projectile_stopped",
            Self::Exploded { .. } => "exploded",
            Self::Damaged(_) => "damaged",
            Self::Healed { .. } => "healed",
            Self::Died(_) => "player_died",
            Self::Acted(_) => "action_begun",
            Self::ActionRefused(_) => "action_refused",
            Self::CastDone { .. } => "cast_done",
            Self::CastInterrupted { .. } => "cast_interrupted",
            Self::EffectApplied { .. } => "effect_applied",
            Self::EffectPulsed { .. } => "effect_pulsed",
            Self::EffectEnded { .. } => "effect_ended",
            Self::RoundStarted { .. } => "round_started",
            Self::RoundEnded { .. } => "round_ended",
            Self::Ticked { .. } => "ticked",
        }
    }

    /// The player whom it is about first, for filters.
    pub const fn player(&self) -> Option<PlayerNo> {
        match self {
            Self::Joined { player, .. }
            | Self::Left { player, .. }
            | Self::TeamChanged { player, .. }
            | Self::MoveStale { player, .. }
            | Self::Teleported { player, .. }
            | Self::Switched { player, .. }
            | Self::ReloadStarted { player, .. }
            | Self::ReloadEnded { player, .. }
            | Self::Healed { player, .. }
            | Self::CastDone { player, .. }
            | Self::CastInterrupted { player, .. }
            | Self::EffectApplied { player, .. }
            | Self::EffectPulsed { player, .. }
            | Self::EffectEnded { player, .. } => Some(*player),
            Self::Spawned(spawned) => Some(spawned.player),
            Self::Moved(moved) => Some(moved.input.player),
            Self::Corrected(corrected) => Some(corrected.player),
            Self::Fired(fired) => Some(fired.input.player),
            Self::ShotRefused(refused) => Some(refused.input.player),
            Self::Launched(projectile) => Some(projectile.owner),
            Self::Damaged(damaged) => Some(damaged.player),
            Self::Died(died) => Some(died.player),
            Self::Acted(acted) => Some(acted.input.player),
            Self::ActionRefused(refused) => Some(refused.input.player),
            Self::Created(_)
            | Self::Updated { .. }
            | Self::Started
            | Self::Paused
            | Self::Resumed
            | Self::Ended(_)
            | Self::Aborted { .. }
            | Self::ProjectileStopped { .. }
            | Self::Exploded { .. }
            | Self::RoundStarted { .. }
            | Self::RoundEnded { .. }
            | Self::Ticked { .. } => None,
        }
    }
}
