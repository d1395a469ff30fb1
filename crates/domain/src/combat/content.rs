//! Content: weapons, armour, effects, actions, maps, modes and rules as plain data.
//!
//! A studio writes it in files; the service parses them into these structs, and [`Content::check`] says
//! with a path such as `weapons[3].cooldown_ms` what is not accepted. References between entries are
//! names in the files and indices here. The content's hash is that of its canonical form: a session
//! names it in its first event, and a replay uses exactly that content.
//!
//! Lengths are in quanta (1/1024 m, suffix `_q`), durations in milliseconds (`_ms`), angles in 1/65536
//! of a turn, factors in thousandths (`_permille`).

mod actions;
mod check;
mod maps;
mod modes;
mod rules;
mod weapons;

pub use actions::{Action, ActionTarget, Effect, EffectKind, Interrupts, Stacking};
pub use check::{CheckedContent, limits};
pub use maps::{Aabb, Convex, Map, Plane, Shape, Solid, Spawn};
pub use modes::{Mode, ModeKind, OnTime, RoundRules};
pub use rules::{
    DamageRules, MovementRules, PlayerRules, RewindRules, Rules, SpectateRules, VerticalRules,
};
pub use weapons::{
    Armour, Body, Delivery, FalloffPoint, Hull, Part, ProjectileSpec, Stance, Volume, VolumeShape,
    Weapon,
};

use super::wire::{Wire, wire_struct};

/// All data that the rules of combat refer to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    pub name: String,
    pub rules: Rules,
    /// What bodies look like to bullets and walls, in each stance.
    pub body: Body,
    pub weapons: Vec<Weapon>,
    pub armours: Vec<Armour>,
    pub effects: Vec<Effect>,
    pub actions: Vec<Action>,
    pub modes: Vec<Mode>,
    pub maps: Vec<Map>,
}

wire_struct!(Content { name, rules, body, weapons, armours, effects, actions, modes, maps });

/// BLAKE3 of the canonical form of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContentHash(pub [u8; 32]);

impl Content {
    pub fn hash(&self) -> ContentHash {
        ContentHash(*blake3::hash(&self.to_wire()).as_bytes())
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

super::wire::wire_newtype!(ContentHash);
