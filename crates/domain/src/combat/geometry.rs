//! Rays and what they meet, exact in integers.
//!
//! A ray is the points `origin + direction · s / 2¹⁶`, so `s` is a distance in quanta as far as a
//! rounded direction has length one (1 part in 2¹⁶). What a ray meets is an interval of `s`, both ends
//! rounded down. Roots are compared as integers: nothing here depends on the order of operations, the
//! build or the machine.

mod bvh;
mod solid;

pub use bvh::{Bvh, Mover, WALLS_MAX, Wall, Walls};

use super::content::{Volume, VolumeShape};
use super::fixed::{DIRECTION_ONE, Direction, Vec3, cos_q30, sin_q30};

#[derive(Debug, Clone, Copy)]
pub struct Ray {
    pub origin: Vec3,
    pub direction: Direction,
}

/// Where a ray is within something: from `enter` to `exit`, quanta from the origin, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub enter: i64,
    pub exit: i64,
}

impl Interval {
    const EVERYWHERE: Self = Self { enter: i64::MIN, exit: i64::MAX };

    /// Both, if they have a point in common.
    fn and(self, other: Self) -> Option<Self> {
        let (enter, exit) = (self.enter.max(other.enter), self.exit.min(other.exit));
        (enter <= exit).then_some(Self { enter, exit })
    }

    /// From the first point of either to the last: right for the parts of something convex.
    fn or(self, other: Self) -> Self {
        Self { enter: self.enter.min(other.enter), exit: self.exit.max(other.exit) }
    }

    /// What lies before the origin is cut off.
    fn ahead(self) -> Option<Self> {
        (self.exit >= 0).then_some(Self { enter: self.enter.max(0), exit: self.exit })
    }
}

impl Ray {
    pub const fn new(origin: Vec3, direction: Direction) -> Self {
        Self { origin, direction }
    }

    /// From one point to another, and how far that is; none if they are the same.
    pub fn towards(from: Vec3, to: Vec3) -> Option<(Self, i64)> {
        let way = to.minus(from);
        let length = way.length_q();
        let part = |way: i32| (i64::from(way) * DIRECTION_ONE).checked_div(length);
        let direction = Direction { x: part(way.x)?, y: part(way.y)?, z: part(way.z)? };
        Some((Self::new(from, direction), length))
    }

    /// Whether it may meet a sphere: cheap, and never wrong when it says no.
    pub fn may_meet_sphere(&self, centre: Vec3, radius_q: i32) -> bool {
        let to = centre.minus(self.origin);
        let along = self.direction.along(to);
        let apart = to.squared() - i64::from(radius_q) * i64::from(radius_q);
        if apart <= 0 {
            return true;
        }
        let square = i128::from(along) * i128::from(along);
        along > 0 && square >= i128::from(self.direction.squared()) * i128::from(apart)
    }

    pub fn point(&self, distance_q: i64) -> Vec3 {
        self.direction.point(self.origin, distance_q)
    }

    /// Where it is within a sphere.
    pub fn sphere(&self, centre: Vec3, radius_q: i32) -> Option<Interval> {
        let to = centre.minus(self.origin);
        let radius = i64::from(radius_q);
        let (a, b) = (self.direction.squared(), self.direction.along(to));
        roots(a, b, to.squared() - radius * radius)?.ahead()
    }

    /// Where it is within an upright capsule around the axis from `bottom` up to `top_z`.
    pub fn capsule(&self, bottom: Vec3, top_z: i32, radius_q: i32) -> Option<Interval> {
        let to = bottom.minus(self.origin);
        let radius = i64::from(radius_q);
        let Direction { x, y, z } = self.direction;
        let (tx, ty) = (i64::from(to.x), i64::from(to.y));
        let (level, apart) = (x * x + y * y, tx * tx + ty * ty - radius * radius);
        let around = match (level, apart) {
            // Straight up or down: beside the axis it meets nothing at all.
            (0, 1..) => return None,
            (0, _) => Interval::EVERYWHERE,
            _ => roots(level, x * tx + y * ty, apart)?,
        };
        let between = slab(z, i64::from(to.z), i64::from(top_z) - i64::from(self.origin.z));
        let side = between.and_then(|between| around.and(between)).and_then(Interval::ahead);
        let top = Vec3 { z: top_z, ..bottom };
        let ends = [self.sphere(bottom, radius_q), self.sphere(top, radius_q), side];
        ends.into_iter().flatten().reduce(Interval::or)
    }

    /// Where it is within a volume of a body that stands at `feet` and looks along `yaw`.
    pub fn volume(&self, volume: &Volume, feet: Vec3, yaw: u16, grown_q: i32) -> Option<Interval> {
        let forward =
            |part: i32| ((i64::from(volume.forward_q) * i64::from(part) + (1 << 29)) >> 30) as i32;
        let at = match volume.forward_q {
            0 => feet,
            _ => feet.plus(Vec3::new(forward(cos_q30(yaw)), forward(sin_q30(yaw)), 0)),
        };
        let radius_q = volume.radius_q + grown_q;
        match volume.shape {
            VolumeShape::Sphere { height_q } => self.sphere(at.raised(height_q), radius_q),
            VolumeShape::Capsule { bottom_q, top_q } => {
                self.capsule(at.raised(bottom_q), at.z.saturating_add(top_q), radius_q)
            }
        }
    }
}

/// The interval between the roots of `a·t² − 2·b·t + c = 0` with `s = 2¹⁶·t`, for `a > 0`:
/// `s = 2¹⁶·(b ± √(b² − a·c)) / a`. Rounding down is exact because `⌊(n ± √y)/a⌋` only needs the
/// integer root. With 26-bit differences, `b²` has 87 bits and the scaled discriminant 119.
fn roots(a: i64, b: i64, c: i64) -> Option<Interval> {
    if c > 0 && b < 0 {
        // Outside, and pointing away.
        return None;
    }
    let (a, b, c) = (i128::from(a), i128::from(b), i128::from(c));
    let discriminant = b * b - a * c;
    if discriminant < 0 {
        return None;
    }
    let scaled = (discriminant as u128) << 32;
    let root = scaled.isqrt() as i128;
    let root_up = if (root * root) as u128 == scaled { root } else { root + 1 };
    let middle = b << 16;
    let enter = (middle - root_up).div_euclid(a) as i64;
    Some(Interval { enter, exit: (middle + root).div_euclid(a) as i64 })
}

/// Where `low ≤ d·s/2¹⁶ ≤ high`, on one axis.
fn slab(d: i64, low: i64, high: i64) -> Option<Interval> {
    match d {
        0 => (low <= 0 && 0 <= high).then_some(Interval::EVERYWHERE),
        1.. => {
            Some(Interval { enter: (low << 16).div_euclid(d), exit: (high << 16).div_euclid(d) })
        }
        // ⌊x / d⌋ for d < 0 is ⌊−x / −d⌋.
        _ => Some(Interval {
            enter: (-(high << 16)).div_euclid(-d),
            exit: (-(low << 16)).div_euclid(-d),
        }),
    }
}
