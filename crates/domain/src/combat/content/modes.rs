//! Modes: who fights whom, what wins, and what comes after a death.

use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{ActionNo, ArmourNo, TeamNo, WeaponNo};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mode {
    pub id: String,
    pub name: String,
    pub kind: ModeKind,
    /// Number of teams; 0 in deathmatch.
    pub teams: u8,
    /// Kills (of a player or a team), or rounds won, that end the session; 0 for no limit.
    pub score_max: u32,
    /// Length of the session; 0 for no limit.
    pub time_max_ms: u32,
    /// From a death to the next life; in rounds, nobody lives again before the next round.
    pub respawn_ms: u32,
    pub friendly_fire: bool,
    pub self_damage: bool,
    /// What everybody carries at a spawn; the first is in the hands.
    pub weapons: Vec<WeaponNo>,
    pub armour: Option<ArmourNo>,
    pub actions: Vec<ActionNo>,
}

wire_struct!(Mode {
    id,
    name,
    kind,
    teams,
    score_max,
    time_max_ms,
    respawn_ms,
    friendly_fire,
    self_damage,
    weapons,
    armour,
    actions,
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModeKind {
    /// Everybody for himself; a kill is a point, killing oneself takes one.
    #[default]
    Deathmatch,
    /// A kill of an enemy is a point for the team, of a team mate takes one.
    TeamDeathmatch,
    /// The last team alive wins a round.
    Rounds(RoundRules),
}

wire_enum!(ModeKind { 0 => Deathmatch, 1 => TeamDeathmatch, 2 => Rounds(rules) });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundRules {
    pub round_ms: u32,
    /// From the end of a round to the start of the next.
    pub pause_ms: u32,
    pub on_time: OnTime,
}

wire_struct!(RoundRules { round_ms, pause_ms, on_time });

/// Who has a round whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTime {
    #[default]
    Nobody,
    /// Such as the defenders.
    Team(TeamNo),
    /// The team with more players alive; equal numbers are a draw.
    MoreAlive,
}

wire_enum!(OnTime { 0 => Nobody, 1 => Team(team), 2 => MoreAlive });
