//! Maps: bounds, what stands in the way, and where players appear.

use crate::combat::fixed::Vec3;
use crate::combat::wire::{wire_enum, wire_struct};
use crate::combat::{Look, TeamNo};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub id: String,
    pub name: String,
    /// Where players can be. Its lowest z carries them.
    pub bounds: Aabb,
    pub solids: Vec<Solid>,
    pub spawns: Vec<Spawn>,
}

wire_struct!(Map { id, name, bounds, solids, spawns });

/// A box along the axes, both corners included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Aabb {
    pub min: Vec3,
    pub max: Vec3,
}

wire_struct!(Aabb { min, max });

/// Something that players cannot walk through, and bullets only if it is thin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solid {
    pub shape: Shape,
    /// How much a ray is held up by each quantum of thickness, in thousandths; 0 lets no ray through.
    pub density_permille: u32,
}

wire_struct!(Solid { shape, density_permille });

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Box(Aabb),
    Convex(Convex),
    /// A surface without thickness: no ray goes through.
    Triangle([Vec3; 3]),
}

wire_enum!(Shape { 0 => Box(aabb), 1 => Convex(convex), 2 => Triangle(corners) });

/// The points of `bounds` that lie behind every plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convex {
    pub bounds: Aabb,
    pub planes: Vec<Plane>,
}

wire_struct!(Convex { bounds, planes });

/// The half space `normal · p ≤ offset`. The normal is in 1/1024 and need not have unit length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    pub normal: Vec3,
    pub offset: i64,
}

wire_struct!(Plane { normal, offset });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spawn {
    pub position: Vec3,
    pub look: Look,
    /// 0: for anybody.
    pub team: TeamNo,
}

wire_struct!(Spawn { position, look, team });

impl Aabb {
    pub const fn new(min: Vec3, max: Vec3) -> Self {
        Self { min, max }
    }

    pub const fn contains(&self, point: Vec3) -> bool {
        self.min.x <= point.x
            && point.x <= self.max.x
            && self.min.y <= point.y
            && point.y <= self.max.y
            && self.min.z <= point.z
            && point.z <= self.max.z
    }

    /// The point of the box that is nearest to another.
    pub fn nearest(&self, point: Vec3) -> Vec3 {
        let axis = |at: i32, min: i32, max: i32| at.max(min).min(max);
        Vec3::new(
            axis(point.x, self.min.x, self.max.x),
            axis(point.y, self.min.y, self.max.y),
            axis(point.z, self.min.z, self.max.z),
        )
    }

    /// The smallest box around both.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        let min = |a: Vec3, b: Vec3| Vec3::new(a.x.min(b.x), a.y.min(b.y), a.z.min(b.z));
        let max = |a: Vec3, b: Vec3| Vec3::new(a.x.max(b.x), a.y.max(b.y), a.z.max(b.z));
        Self { min: min(self.min, other.min), max: max(self.max, other.max) }
    }

    pub const fn is_ordered(&self) -> bool {
        self.min.x <= self.max.x && self.min.y <= self.max.y && self.min.z <= self.max.z
    }

    pub const fn touches(&self, other: &Self) -> bool {
        self.min.x <= other.max.x
            && other.min.x <= self.max.x
            && self.min.y <= other.max.y
            && other.min.y <= self.max.y
            && self.min.z <= other.max.z
            && other.min.z <= self.max.z
    }
}

impl Shape {
    pub fn bounds(&self) -> Aabb {
        match self {
            Self::Box(aabb) => *aabb,
            Self::Convex(convex) => convex.bounds,
            Self::Triangle([a, b, c]) => {
                let at = |p: Vec3| Aabb::new(p, p);
                at(*a).around(at(*b)).around(at(*c))
            }
        }
    }
}
