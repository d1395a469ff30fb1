//! Weapons, armour, and the body that they meet.

use crate::combat::EffectNo;
use crate::combat::wire::{wire_enum, wire_struct};

/// A weapon. Damage at a distance is `damage × falloff × part × effects`, per pellet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weapon {
    pub id: String,
    pub name: String,
    pub delivery: Delivery,
    /// Health points that one pellet takes at the muzzle, from an unarmoured torso.
    pub damage: u32,
    /// Rays per shot.
    pub pellets: u8,
    /// Shots per minute.
    pub rounds_per_minute: u32,
    pub magazine: u16,
    /// Rounds beside the magazine at a spawn.
    pub reserve: u16,
    pub reload_ms: u32,
    pub equip_ms: u32,
    pub range_q: i32,
    /// Share of the damage by distance, between its points linear, constant before the first and after
    /// the last. Empty: no falloff.
    pub falloff: Vec<FalloffPoint>,
    pub head_permille: u32,
    pub limb_permille: u32,
    /// Half the angle of the cone in which a ray may leave its aim.
    pub spread: u16,
    /// How far from where the player was seen to look a shot may point, beside the spread: recoil.
    pub recoil: u16,
    /// How far from the eye a muzzle may be.
    pub muzzle_q: i32,
    /// Share of the armour's absorption that is passed by.
    pub armour_pierce_permille: u32,
    /// Players that one ray goes through before the last that it hits.
    pub pierce_players: u8,
    /// Share of the damage that is left behind each player or wall.
    pub pierce_permille: u32,
    /// Total thickness of walls that one ray goes through, where their density is 1,000.
    pub pierce_wall_q: i32,
    /// Share of the walking speed with this weapon in the hands.
    pub speed_permille: u32,
    /// Effects upon whom it hits.
    pub effects: Vec<EffectNo>,
}

wire_struct!(Weapon {
    id,
    name,
    delivery,
    damage,
    pellets,
    rounds_per_minute,
    magazine,
    reserve,
    reload_ms,
    equip_ms,
    range_q,
    falloff,
    head_permille,
    limb_permille,
    spread,
    recoil,
    muzzle_q,
    armour_pierce_permille,
    pierce_players,
    pierce_permille,
    pierce_wall_q,
    speed_permille,
    effects,
});

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It hits in the moment of the shot, against targets rewound to what the shooter saw.
    Ray,
    /// It flies, and explodes at a time or upon touching something.
    Projectile(ProjectileSpec),
}

wire_enum!(Delivery { 0 => Ray, 1 => Projectile(spec) });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectileSpec {
    pub speed_q_per_s: i32,
    pub gravity_q_per_s2: i32,
    /// From the launch to the explosion.
    pub fuse_ms: u32,
    /// Whether it explodes upon touching a player or a wall; otherwise it stops at walls.
    pub explodes_on_contact: bool,
    /// Damage falls linearly from the centre to nothing at this distance.
    pub radius_q: i32,
}

wire_struct!(ProjectileSpec {
    speed_q_per_s,
    gravity_q_per_s2,
    fuse_ms,
    explodes_on_contact,
    radius_q
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FalloffPoint {
    pub distance_q: i32,
    pub permille: u32,
}

wire_struct!(FalloffPoint { distance_q, permille });

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armour {
    pub id: String,
    pub name: String,
    /// What it can absorb before it is gone.
    pub points: u32,
    /// Share of the damage that it takes upon itself.
    pub absorb_permille: u32,
    /// Whether it covers the head too.
    pub covers_head: bool,
}

wire_struct!(Armour { id, name, points, absorb_permille, covers_head });

/// A part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Part {
    #[default]
    Torso,
    Head,
    Limb,
}

wire_enum!(Part { 0 => Torso, 1 => Head, 2 => Limb });

impl Part {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Torso => "torso",
            Self::Head => "head",
            Self::Limb => "limb",
        }
    }
}

/// How a player holds himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Stance {
    #[default]
    Standing,
    Crouching,
    Prone,
}

wire_enum!(Stance { 0 => Standing, 1 => Crouching, 2 => Prone });

impl Stance {
    pub const ALL: [Self; 3] = [Self::Standing, Self::Crouching, Self::Prone];
}

/// The hulls of a body, by stance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub standing: Hull,
    pub crouching: Hull,
    pub prone: Hull,
}

wire_struct!(Body { standing, crouching, prone });

/// A body in one stance. Heights are measured from the feet, which are the player's position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hull {
    pub eye_q: i32,
    pub height_q: i32,
    /// Half the width that a wall has to leave free.
    pub radius_q: i32,
    pub volumes: Vec<Volume>,
}

wire_struct!(Hull { eye_q, height_q, radius_q, volumes });

/// A part that can be hit. Where volumes overlap, the one that a ray enters first counts, and of those
/// that it enters at once the first listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    pub part: Part,
    /// Distance before the axis of the body, along the yaw.
    pub forward_q: i32,
    pub radius_q: i32,
    pub shape: VolumeShape,
}

wire_struct!(Volume { part, forward_q, radius_q, shape });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeShape {
    Sphere {
        height_q: i32,
    },
    /// Upright: all points within the radius of the axis from `bottom_q` to `top_q`.
    Capsule {
        bottom_q: i32,
        top_q: i32,
    },
}

wire_enum!(VolumeShape { 0 => Sphere { height_q }, 1 => Capsule { bottom_q, top_q } });

impl Body {
    pub const fn hull(&self, stance: Stance) -> &Hull {
        match stance {
            Stance::Standing => &self.standing,
            Stance::Crouching => &self.crouching,
            Stance::Prone => &self.prone,
        }
    }
}

/// A person of 1.80 m: 0.30 m radius, head of 0.12 m.
impl Default for Body {
    fn default() -> Self {
        let capsule = |part, radius_q, bottom_q, top_q| Volume {
            part,
            forward_q: 0,
            radius_q,
            shape: VolumeShape::Capsule { bottom_q, top_q },
        };
        let sphere = |part, forward_q, radius_q, height_q| Volume {
            part,
            forward_q,
            radius_q,
            shape: VolumeShape::Sphere { height_q },
        };
        let standing = Hull {
            eye_q: 1_690,
            height_q: 1_843,
            radius_q: 307,
            volumes: vec![
                sphere(Part::Head, 0, 128, 1_715),
                capsule(Part::Torso, 270, 1_060, 1_380),
                capsule(Part::Limb, 220, 220, 900),
            ],
        };
        let crouching = Hull {
            eye_q: 1_120,
            height_q: 1_280,
            radius_q: 307,
            volumes: vec![
                sphere(Part::Head, 60, 128, 1_150),
                capsule(Part::Torso, 270, 560, 840),
                capsule(Part::Limb, 240, 240, 420),
            ],
        };
        let prone = Hull {
            eye_q: 360,
            height_q: 512,
            radius_q: 307,
            volumes: vec![
                sphere(Part::Head, 500, 128, 330),
                sphere(Part::Torso, 150, 230, 230),
                sphere(Part::Torso, -150, 230, 230),
                sphere(Part::Limb, -500, 180, 180),
            ],
        };
        Self { standing, crouching, prone }
    }
}
