//! The files of a content as they are written: names instead of numbers, metres, degrees and factors.

use serde::Deserialize;

use super::units::{Degrees, Factor, Metres, Place};

/// `weapons.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weapons {
    #[serde(default)]
    pub(super) weapons: Vec<WeaponForm>,
    #[serde(default)]
    pub(super) armours: Vec<ArmourForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeaponForm {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) projectile: Option<ProjectileForm>,
    pub(super) damage: u32,
    #[serde(default = "one")]
    pub(super) pellets: u8,
    pub(super) rounds_per_minute: u32,
    pub(super) magazine: u16,
    pub(super) reserve: u16,
    pub(super) reload_ms: u32,
    pub(super) equip_ms: u32,
    pub(super) range_m: Metres,
    #[serde(default)]
    pub(super) falloff: Vec<FalloffForm>,
    #[serde(default = "unchanged")]
    pub(super) head_factor: Factor,
    #[serde(default = "unchanged")]
    pub(super) limb_factor: Factor,
    #[serde(default)]
    pub(super) spread_deg: Degrees,
    #[serde(default)]
    pub(super) recoil_deg: Degrees,
    pub(super) muzzle_m: Metres,
    #[serde(default = "nothing")]
    pub(super) armour_pierce: Factor,
    #[serde(default)]
    pub(super) pierce_players: u8,
    #[serde(default = "nothing")]
    pub(super) pierce_factor: Factor,
    #[serde(default)]
    pub(super) pierce_wall_m: Option<Metres>,
    #[serde(default = "unchanged")]
    pub(super) speed_factor: Factor,
    #[serde(default)]
    pub(super) effects: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectileForm {
    pub(super) speed_m_per_s: Metres,
    #[serde(default)]
    pub(super) gravity_m_per_s2: Option<Metres>,
    pub(super) fuse_ms: u32,
    #[serde(default)]
    pub(super) explodes_on_contact: bool,
    pub(super) radius_m: Metres,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FalloffForm {
    pub(super) distance_m: Metres,
    pub(super) factor: Factor,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArmourForm {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) points: u32,
    pub(super) absorbs: Factor,
    #[serde(default)]
    pub(super) covers_head: bool,
}

/// `actions.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actions {
    #[serde(default)]
    pub(super) effects: Vec<EffectForm>,
    #[serde(default)]
    pub(super) actions: Vec<ActionForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectForm {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) amount: u32,
    #[serde(default)]
    pub(super) period_ms: u32,
    #[serde(default)]
    pub(super) ignores_armour: bool,
    #[serde(default = "unchanged")]
    pub(super) factor: Factor,
    #[serde(default)]
    pub(super) duration_ms: u32,
    /// `refresh`, `keep`, or a number of times that it can be there at once.
    #[serde(default)]
    pub(super) stacking: Option<toml::Value>,
    #[serde(default)]
    pub(super) then: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionForm {
    pub(super) id: String,
    pub(super) name: String,
    /// Signed, so that a negative one is told from a wrong kind of value.
    pub(super) cooldown_ms: i64,
    #[serde(default = "one")]
    pub(super) charges: u8,
    #[serde(default)]
    pub(super) energy_cost: u32,
    #[serde(default)]
    pub(super) health_cost: u32,
    #[serde(default)]
    pub(super) cast_ms: u32,
    #[serde(default)]
    pub(super) interrupted_by_damage: bool,
    #[serde(default)]
    pub(super) interrupted_by_movement: bool,
    /// `self`, `ally` or `enemy`.
    pub(super) target: String,
    #[serde(default)]
    pub(super) range_m: Option<Metres>,
    #[serde(default)]
    pub(super) needs_line: bool,
    pub(super) effects: Vec<String>,
    #[serde(default)]
    pub(super) then: Option<String>,
}

/// `modes.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Modes {
    #[serde(default)]
    pub(super) modes: Vec<ModeForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModeForm {
    pub(super) id: String,
    pub(super) name: String,
    /// `deathmatch`, `team_deathmatch` or `rounds`.
    pub(super) kind: String,
    #[serde(default)]
    pub(super) teams: u8,
    #[serde(default)]
    pub(super) score_max: u32,
    #[serde(default)]
    pub(super) time_max_ms: u32,
    #[serde(default)]
    pub(super) respawn_ms: u32,
    #[serde(default)]
    pub(super) friendly_fire: bool,
    #[serde(default)]
    pub(super) self_damage: bool,
    pub(super) weapons: Vec<String>,
    #[serde(default)]
    pub(super) armour: Option<String>,
    #[serde(default)]
    pub(super) actions: Vec<String>,
    #[serde(default)]
    pub(super) rounds: Option<RoundsForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoundsForm {
    pub(super) round_ms: u32,
    pub(super) pause_ms: u32,
    /// `nobody`, `more_alive`, or the number of a team.
    pub(super) on_time: toml::Value,
}

/// A file of `maps/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapForm {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) bounds: BoxForm,
    #[serde(default)]
    pub(super) boxes: Vec<BoxForm>,
    #[serde(default)]
    pub(super) triangles: Vec<[Place; 3]>,
    pub(super) spawns: Vec<SpawnForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoxForm {
    pub(super) min: Place,
    pub(super) max: Place,
    /// How hard it is to shoot through; 0: not at all.
    #[serde(default = "nothing")]
    pub(super) density: Factor,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpawnForm {
    pub(super) position: Place,
    #[serde(default)]
    pub(super) yaw_deg: Degrees,
    #[serde(default)]
    pub(super) team: u8,
}

/// `rules.toml`: what differs from the rules' own defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesForm {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tick_hz: Option<u32>,
    #[serde(default)]
    pub(super) speed_m_per_s: Option<Metres>,
    #[serde(default)]
    pub(super) flying: Option<bool>,
    #[serde(default)]
    pub(super) rewind_max_ms: Option<u32>,
    #[serde(default)]
    pub(super) interpolation_max_ms: Option<u32>,
    #[serde(default)]
    pub(super) shot_age_max_ms: Option<u32>,
    #[serde(default)]
    pub(super) trades: Option<bool>,
    #[serde(default)]
    pub(super) health_max: Option<u32>,
    #[serde(default)]
    pub(super) energy_max: Option<u32>,
    #[serde(default)]
    pub(super) energy_per_s: Option<u32>,
    #[serde(default)]
    pub(super) spawn_protection_ms: Option<u32>,
    #[serde(default)]
    pub(super) spectators_allowed: Option<bool>,
    #[serde(default)]
    pub(super) spectators_max: Option<u32>,
    #[serde(default)]
    pub(super) spectator_delay_s: Option<u32>,
}

const fn one() -> u8 {
    1
}

const fn unchanged() -> Factor {
    Factor::ONE
}

const fn nothing() -> Factor {
    Factor::ZERO
}
