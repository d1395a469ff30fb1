//! A player of a session.

use super::answers::Answers;
use super::motion::Motion;
use crate::combat::command::Move;
use crate::combat::content::{EffectKind, PlayerRules, Stance};
use crate::combat::effect::{EffectState, factor_permille};
use crate::combat::event::Worn;
use crate::combat::fixed::{Look, Vec3};
use crate::combat::stats::PlayerStats;
use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{ActionNo, PlayerNo, TeamNo, Tick, WeaponNo};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Player {
    pub id: String,
    /// None after leaving.
    pub seat: Option<u8>,
    pub team: TeamNo,
    pub life: Life,
    /// Numbers the life, and the part of it since the last teleport, among all of the session: what the
    /// history keeps.
    pub track: u32,
    pub pose: Pose,
    pub motion: Motion,
    /// The newest correction.
    pub correction: u32,
    /// The client has not echoed it yet: his moves are ignored.
    pub awaits_correction: bool,
    pub health: u32,
    pub armour: Worn,
    pub weapons: Vec<WeaponState>,
    /// The slot of the weapon in the hands.
    pub slot: u8,
    /// When the hands are ready again.
    pub equipped_at: Tick,
    pub reloaded_at: Option<Tick>,
    pub weapon_speed_permille: u32,
    pub actions: Vec<ActionState>,
    pub cast: Option<Cast>,
    /// In the order of their keys.
    pub effects: Vec<EffectState>,
    pub next_effect: u32,
    /// Energy at a tick, in thousandths of a point; it grows by itself.
    pub energy_milli: u64,
    pub energy_at: Tick,
    pub protected_until: Tick,
    pub shots: Answers,
    pub acts: Answers,
    /// The latest view time that was used.
    pub view_q8: u64,
    /// Who has hurt him in this life, by number.
    pub attackers: Vec<Contribution>,
    pub score: i32,
    pub stats: PlayerStats,
}

wire_struct!(Player {
    id,
    seat,
    team,
    life,
    track,
    pose,
    motion,
    correction,
    awaits_correction,
    health,
    armour,
    weapons,
    slot,
    equipped_at,
    reloaded_at,
    weapon_speed_permille,
    actions,
    cast,
    effects,
    next_effect,
    energy_milli,
    energy_at,
    protected_until,
    shots,
    acts,
    view_q8,
    attackers,
    score,
    stats,
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    /// Has not lived yet, or not in this round.
    #[default]
    Waiting,
    Alive,
    /// Died, or left and came back.
    Dead {
        at_us: u64,
        tick: Tick,
        /// None: not before the next round.
        respawn_at: Option<Tick>,
    },
}

wire_enum!(Life { 0 => Waiting, 1 => Alive, 2 => Dead { at_us, tick, respawn_at } });

/// Where a player stands and looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pose {
    pub position: Vec3,
    pub look: Look,
    pub stance: Stance,
}

wire_struct!(Pose { position, look, stance });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeaponState {
    pub weapon: WeaponNo,
    pub rounds: u16,
    pub reserve: u16,
    pub magazine: u16,
    /// From when on the client's clock may fire it again.
    pub next_us: u64,
}

wire_struct!(WeaponState { weapon, rounds, reserve, magazine, next_us });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionState {
    pub action: ActionNo,
    pub charges: u8,
    pub charges_max: u8,
    /// When the next charge comes back, if one is missing.
    pub ready_at: Tick,
}

wire_struct!(ActionState { action, charges, charges_max, ready_at });

/// An action that is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cast {
    pub action: ActionNo,
    pub target: PlayerNo,
    pub until: Tick,
    pub by_damage: bool,
    pub by_movement: bool,
    /// Where it was begun.
    pub position: Vec3,
    pub energy_cost: u32,
}

wire_struct!(Cast { action, target, until, by_damage, by_movement, position, energy_cost });

/// Damage by one player in one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution {
    pub by: PlayerNo,
    pub damage: u32,
    pub last: Tick,
}

wire_struct!(Contribution { by, damage, last });

impl Player {
    pub const fn is_alive(&self) -> bool {
        matches!(self.life, Life::Alive)
    }

    pub fn in_hands(&self) -> Option<&WeaponState> {
        self.weapons.get(usize::from(self.slot))
    }

    pub fn action(&self, action: ActionNo) -> Option<&ActionState> {
        self.actions.iter().find(|state| state.action == action)
    }

    pub fn has_effect(&self, is: impl Fn(&EffectKind) -> bool) -> bool {
        self.effects.iter().any(|effect| is(&effect.kind))
    }

    pub fn is_stunned(&self) -> bool {
        self.has_effect(|kind| matches!(kind, EffectKind::Stun))
    }

    /// Whether nothing can hurt him at a tick.
    pub fn is_protected(&self, tick: Tick) -> bool {
        tick < self.protected_until
            || self.has_effect(|kind| matches!(kind, EffectKind::Invulnerable))
    }

    /// What the effects leave of, or add to, the speed; the weapon in the hands included.
    pub fn speed_permille(&self) -> u64 {
        let effects = factor_permille(&self.effects, |kind| match kind {
            EffectKind::Speed { permille } => Some(*permille),
            _ => None,
        });
        effects * u64::from(self.weapon_speed_permille) / 1_000
    }

    pub fn shield(&self) -> u32 {
        self.effects.iter().fold(0_u32, |sum, effect| sum.saturating_add(effect.left))
    }

    /// Energy at a tick, thousandths of a point.
    pub fn energy_milli(&self, rules: &PlayerRules, tick_hz: u32, tick: Tick) -> u64 {
        let ticks = u64::from(tick.since(self.energy_at));
        let grown = ticks * u64::from(rules.energy_per_s) * 1_000 / u64::from(tick_hz.max(1));
        (self.energy_milli + grown).min(u64::from(rules.energy_max) * 1_000)
    }

    /// Whether a move shows that the client has applied the newest correction.
    pub const fn echoes(&self, input: &Move) -> bool {
        !self.awaits_correction || input.correction_ack == self.correction
    }
}
