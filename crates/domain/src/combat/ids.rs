//! Small numbers that name things within one session or one content.

use super::wire::wire_newtype;

macro_rules! number {
    ($(#[doc = $doc:literal])+ $name:ident($inner:ty)) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        wire_newtype!($name);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A step of simulated time; its length is `1 s / rules.tick_hz`. A session starts at 0.
    Tick(u32)
}
number! {
    /// A player within one session, in the order of the first joins. Never given to another player:
    /// who leaves and comes back has the number that he had.
    PlayerNo(u16)
}
number! {
    /// A team; 0 stands for "no team", as in deathmatch.
    TeamNo(u8)
}
number! {
    /// A weapon: its index in [`super::Content::weapons`].
    WeaponNo(u16)
}
number! {
    /// Armour: its index in [`super::Content::armours`].
    ArmourNo(u16)
}
number! {
    /// An action: its index in [`super::Content::actions`].
    ActionNo(u16)
}
number! {
    /// An effect: its index in [`super::Content::effects`].
    EffectNo(u16)
}
number! {
    /// A map: its index in [`super::Content::maps`].
    MapNo(u16)
}
number! {
    /// A projectile in flight, numbered within its session.
    ProjectileNo(u32)
}

impl Tick {
    /// A session ends before it reaches this tick (97 days at 128 Hz), so that no sum of a tick and a
    /// duration of the content can leave `u32`.
    pub const MAX: Self = Self(1 << 30);

    #[must_use]
    pub const fn after(self, ticks: u32) -> Self {
        Self(self.0.saturating_add(ticks))
    }

    /// Ticks from `earlier` to this one; 0 if it is not earlier.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl PlayerNo {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
