//! What the events about sessions, places and shots hold.

use crate::combat::command::{Move, Shot};
use crate::combat::content::{ContentHash, Mode, Rules};
use crate::combat::fixed::{Look, Vec3};
use crate::combat::verdict::Verdict;
use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{ActionNo, MapNo, PlayerNo, TeamNo, Tick, WeaponNo};

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
    /// Nobody was there any more.
    Empty,
}

wire_enum!(EndReason { 0 => Asked, 1 => Score, 2 => Time, 3 => TickLimit, 4 => Empty });

/// Why a player has no seat any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// He gave it up.
    Left,
    /// Somebody else took it from him.
    Kicked,
    /// He was away for too long.
    Timeout,
}

wire_enum!(LeaveReason { 0 => Left, 1 => Kicked, 2 => Timeout });

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
