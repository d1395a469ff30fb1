//! What happened in a session: the content of its log, and all that its state is made of.
//!
//! An event holds every outcome that needed the content (damage, times, places), so that a fold needs
//! nothing but the log, and every input that was judged, so that it can be judged again.

use super::command::{Act, Move, Shot};
use super::content::{ContentHash, Mode, Part, Rules};
use super::effect::{EffectEnd, EffectKey, EffectState};
use super::fixed::{Look, Vec3};
use super::ids::{ActionNo, EffectNo, MapNo, PlayerNo, ProjectileNo, TeamNo, Tick, WeaponNo};
use super::verdict::Verdict;
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

/// The first event: all that a fold needs to know beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub session_id: String,
    pub name: String,
    /// The caller's own word for what it is, such as `ranked`.
    pub kind: String,
    pub max_players: u8,
    pub seed: u64,
    pub content_name: String,
    pub content: ContentHash,
    pub map: MapNo,
    pub map_id: String,
    pub mode: Mode,
    pub rules: Rules,
}

wire_struct!(Created {
    session_id,
    name,
    kind,
    max_players,
    seed,
    content_name,
    content,
    map,
    map_id,
    mode,
    rules,
});

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
    11 => Left { player },
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

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub why: EndReason,
    /// The team that won; 0 in a draw, and without teams.
    pub team: TeamNo,
    /// The player who won, without teams.
    pub player: Option<PlayerNo>,
}

wire_struct!(End { why, team, player });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    Asked,
    Score,
    Time,
    /// The last tick that a session can have.
    TickLimit,
}

wire_enum!(EndReason { 0 => Asked, 1 => Score, 2 => Time, 3 => TickLimit });

/// A player lives, with all that he carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawned {
    pub player: PlayerNo,
    pub position: Vec3,
    pub look: Look,
    /// The client must echo it, as after a correction.
    pub correction: u32,
    pub weapons: Vec<Carried>,
    pub armour: Worn,
    pub actions: Vec<Prepared>,
    pub speed_permille: u32,
    pub protected_until: Tick,
}

wire_struct!(Spawned {
    player,
    position,
    look,
    correction,
    weapons,
    armour,
    actions,
    speed_permille,
    protected_until,
});

/// A weapon in a loadout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    pub weapon: WeaponNo,
    pub rounds: u16,
    pub reserve: u16,
    pub magazine: u16,
}

wire_struct!(Carried { weapon, rounds, reserve, magazine });

/// Armour on a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Worn {
    pub points: u32,
    pub absorb_permille: u32,
    pub covers_head: bool,
}

wire_struct!(Worn { points, absorb_permille, covers_head });

/// An action in a loadout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    pub action: ActionNo,
    pub charges: u8,
}

wire_struct!(Prepared { action, charges });

/// A move that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub input: Move,
    /// Whether something carried the feet: the map is not part of the fold.
    pub grounded: bool,
}

wire_struct!(Moved { input, grounded });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    pub player: PlayerNo,
    pub correction: u32,
    pub input: Move,
    pub verdict: Verdict,
}

wire_struct!(Corrected { player, correction, input, verdict });

/// A shot that left the weapon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    pub input: Shot,
    pub weapon: WeaponNo,
    /// D3: from when on the client's clock may fire this weapon again.
    pub next_us: u64,
    pub verdict: Verdict,
}

wire_struct!(Fired { input, weapon, next_us, verdict });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShotRefused {
    pub input: Shot,
    pub verdict: Verdict,
}

wire_struct!(ShotRefused { input, verdict });

/// Something that flies. Its place at a tick follows from its launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projectile {
    pub number: ProjectileNo,
    /// Who fired it; he may be dead or gone when it explodes.
    pub owner: PlayerNo,
    /// His team at the launch.
    pub team: TeamNo,
    pub weapon: WeaponNo,
    pub shot_seq: u32,
    pub launched_at: Tick,
    pub explodes_at: Tick,
    pub origin: Vec3,
    /// Quanta per second at the launch.
    pub velocity: Vec3,
    pub gravity_q_per_s2: i32,
    /// Where it lies, once it has been stopped.
    pub rest: Option<Vec3>,
}

wire_struct!(Projectile {
    number,
    owner,
    team,
    weapon,
    shot_seq,
    launched_at,
    explodes_at,
    origin,
    velocity,
    gravity_q_per_s2,
    rest,
});

/// What did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    Weapon(WeaponNo),
    Effect(EffectNo),
    Action(ActionNo),
    /// The price of an action.
    Cost(ActionNo),
}

wire_enum!(Cause { 0 => Weapon(weapon), 1 => Effect(effect), 2 => Action(action), 3 => Cost(action) });

/// `amount = shield + armour + health + overkill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    pub player: PlayerNo,
    pub by: Option<PlayerNo>,
    pub cause: Cause,
    /// 0 if it was no shot.
    pub shot_seq: u32,
    pub part: Part,
    pub distance_q: i64,
    /// After distance, part and effects; before shield and armour.
    pub amount: u32,
    pub shield: u32,
    pub armour: u32,
    pub health: u32,
    /// What there was no health left for.
    pub overkill: u32,
}

wire_struct!(Damaged {
    player,
    by,
    cause,
    shot_seq,
    part,
    distance_q,
    amount,
    shield,
    armour,
    health,
    overkill,
});

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Died {
    pub player: PlayerNo,
    /// None if nobody did it, or he did it himself.
    pub killer: Option<PlayerNo>,
    pub cause: Cause,
    pub part: Part,
    pub assists: Vec<PlayerNo>,
    /// None: not before the next round.
    pub respawn_at: Option<Tick>,
}

wire_struct!(Died { player, killer, cause, part, assists, respawn_at });

/// An action was begun; without a cast it is done with this event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    pub input: Act,
    pub charges_left: u8,
    /// When the next charge comes back.
    pub ready_at: Tick,
    pub energy_cost: u32,
    /// When the cast is done; none if there is none.
    pub cast_until: Option<Tick>,
    pub by_damage: bool,
    pub by_movement: bool,
    pub verdict: Verdict,
}

wire_struct!(Acted {
    input,
    charges_left,
    ready_at,
    energy_cost,
    cast_until,
    by_damage,
    by_movement,
    verdict,
});

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRefused {
    pub input: Act,
    pub verdict: Verdict,
}

wire_struct!(ActionRefused { input, verdict });

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
            | Self::Left { player }
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
