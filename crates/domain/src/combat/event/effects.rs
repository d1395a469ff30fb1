//! What the events about projectiles, damage, deaths and actions hold.

use crate::combat::command::Act;
use crate::combat::content::Part;
use crate::combat::fixed::Vec3;
use crate::combat::verdict::Verdict;
use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{ActionNo, EffectNo, PlayerNo, ProjectileNo, TeamNo, Tick, WeaponNo};

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
