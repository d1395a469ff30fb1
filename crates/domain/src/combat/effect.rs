//! Effects that are upon a player.

use super::content::EffectKind;
use super::ids::{EffectNo, PlayerNo, TeamNo, Tick};
use super::wire::{wire_enum, wire_newtype, wire_struct};

/// Numbers the effects upon one player, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EffectKey(pub u32);

wire_newtype!(EffectKey);

/// An effect that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectState {
    pub key: EffectKey,
    pub effect: EffectNo,
    pub kind: EffectKind,
    pub by: Option<PlayerNo>,
    /// His team when he did it.
    pub team: TeamNo,
    pub ends_at: Tick,
    /// When it takes or gives again.
    pub next_at: Option<Tick>,
    /// What is left of a shield.
    pub left: u32,
}

wire_struct!(EffectState { key, effect, kind, by, team, ends_at, next_at, left });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EffectEnd {
    /// Its time was over.
    Time,
    /// The shield was used up.
    UsedUp,
}

wire_enum!(EffectEnd { 0 => Time, 1 => UsedUp });

/// The factors of all effects upon a player, multiplied, in thousandths.
pub(super) fn factor_permille(
    effects: &[EffectState],
    of: impl Fn(&EffectKind) -> Option<u32>,
) -> u64 {
    let product =
        effects.iter().filter_map(|effect| of(&effect.kind)).fold(1_000_u64, |all, one| {
            (all * u64::from(one)).min(u64::from(u32::MAX) * 1_000) / 1_000
        });
    product.min(100_000)
}
