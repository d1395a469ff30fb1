//! Actions that players take, and effects that last.

use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{ActionNo, EffectNo};

/// Something a player can do beside moving and shooting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub id: String,
    pub name: String,
    /// From one use to the next. With charges: from one use to the return of its charge.
    pub cooldown_ms: u32,
    /// Uses that can be held ready; 1 is a plain cooldown.
    pub charges: u8,
    /// Energy that a use takes.
    pub energy_cost: u32,
    /// Health that a use takes; it never kills.
    pub health_cost: u32,
    /// From the command to the effect. A cast is interrupted by whatever [`Self::interrupted_by`] says.
    pub cast_ms: u32,
    pub interrupted_by: Interrupts,
    pub target: ActionTarget,
    /// How far away a target may be.
    pub range_q: i32,
    /// Whether walls must not lie between the eye and the target.
    pub needs_line: bool,
    /// Effects upon the target, at once or when the cast is done.
    pub effects: Vec<EffectNo>,
    /// Another action whose effects follow upon the same target. Chains must end.
    pub then: Option<ActionNo>,
}

wire_struct!(Action {
    id,
    name,
    cooldown_ms,
    charges,
    energy_cost,
    health_cost,
    cast_ms,
    interrupted_by,
    target,
    range_q,
    needs_line,
    effects,
    then,
});

/// What ends a cast before it is done. The energy is given back, the cooldown is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interrupts {
    pub by_damage: bool,
    pub by_movement: bool,
}

wire_struct!(Interrupts { by_damage, by_movement });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionTarget {
    Own,
    /// A living team mate or oneself.
    Ally,
    /// A living player of another team; without teams, anybody else.
    Enemy,
}

wire_enum!(ActionTarget { 0 => Own, 1 => Ally, 2 => Enemy });

/// Something that happens to a player at once or for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub id: String,
    pub name: String,
    pub kind: EffectKind,
    /// 0 is at once; only damage and heals can be that.
    pub duration_ms: u32,
    pub stacking: Stacking,
    /// What follows upon the same player when it has run its time. Chains must end.
    pub then: Option<EffectNo>,
}

wire_struct!(Effect { id, name, kind, duration_ms, stacking, then });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// Takes `amount` at once and, if it lasts, after every period.
    Damage {
        amount: u32,
        period_ms: u32,
        ignores_armour: bool,
    },
    /// Gives `amount` of health at once and, if it lasts, after every period; never more than the most.
    Heal {
        amount: u32,
        period_ms: u32,
    },
    /// Absorbs damage before armour and health do.
    Shield {
        amount: u32,
    },
    /// Share of the speed: above 1,000 a haste, below a slow, 0 a root.
    Speed {
        permille: u32,
    },
    DamageDealt {
        permille: u32,
    },
    DamageTaken {
        permille: u32,
    },
    /// Can neither shoot, reload, switch nor act; can walk.
    Stun,
    /// Cannot be damaged.
    Invulnerable,
}

wire_enum!(EffectKind {
    0 => Damage { amount, period_ms, ignores_armour },
    1 => Heal { amount, period_ms },
    2 => Shield { amount },
    3 => Speed { permille },
    4 => DamageDealt { permille },
    5 => DamageTaken { permille },
    6 => Stun,
    7 => Invulnerable,
});

impl EffectKind {
    /// Whether it is one that friends and the protected are spared.
    pub const fn is_harmful(self) -> bool {
        match self {
            Self::Damage { .. } | Self::Stun => true,
            Self::Speed { permille } | Self::DamageDealt { permille } => permille < 1_000,
            Self::DamageTaken { permille } => permille > 1_000,
            Self::Heal { .. } | Self::Shield { .. } | Self::Invulnerable => false,
        }
    }

    /// The period of what happens again and again; 0 for once.
    pub const fn period_ms(self) -> Option<u32> {
        match self {
            Self::Damage { period_ms, .. } | Self::Heal { period_ms, .. } => Some(period_ms),
            _ => None,
        }
    }
}

/// What happens when an effect meets itself upon one player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stacking {
    /// The time starts anew.
    Refresh,
    /// The present one stays.
    Keep,
    /// Both run, up to a number; then the oldest is replaced.
    Stack { max: u8 },
}

wire_enum!(Stacking { 0 => Refresh, 1 => Keep, 2 => Stack { max } });
