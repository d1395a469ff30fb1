//! Rays and movers against the solids of a map.

use super::{Interval, Ray, slab};
use crate::combat::content::{Aabb, Convex, Plane, Shape};
use crate::combat::fixed::{DIRECTION_ONE, Vec3};

impl Ray {
    /// Where it is within a solid. A triangle has no thickness.
    pub(super) fn shape(&self, shape: &Shape) -> Option<Interval> {
        match shape {
            Shape::Box(aabb) => self.aabb(aabb)?.ahead(),
            Shape::Convex(convex) => self.convex(convex)?.ahead(),
            Shape::Triangle(corners) => self.triangle(corners)?.ahead(),
        }
    }

    pub(super) fn aabb(&self, aabb: &Aabb) -> Option<Interval> {
        let axis = |d, low: i32, high: i32, from: i32| {
            let from = i64::from(from);
            slab(d, i64::from(low) - from, i64::from(high) - from)
        };
        let (d, o) = (self.direction, self.origin);
        let x = axis(d.x, aabb.min.x, aabb.max.x, o.x)?;
        let y = axis(d.y, aabb.min.y, aabb.max.y, o.y)?;
        let z = axis(d.z, aabb.min.z, aabb.max.z, o.z)?;
        x.and(y)?.and(z)
    }

    fn convex(&self, convex: &Convex) -> Option<Interval> {
        let within = self.aabb(&convex.bounds)?;
        convex.planes.iter().try_fold(within, |within, plane| within.and(self.half_space(plane)?))
    }

    /// Where `normal · p ≤ offset`.
    fn half_space(&self, plane: &Plane) -> Option<Interval> {
        let rate = self.direction.along(plane.normal);
        let room = i128::from(plane.offset) - i128::from(plane.normal.dot(self.origin));
        let room = room * i128::from(DIRECTION_ONE);
        let clamp = |s: i128| s.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        match rate {
            0 => (room >= 0).then_some(Interval::EVERYWHERE),
            1.. => {
                let exit = clamp(room.div_euclid(i128::from(rate)));
                Some(Interval { exit, ..Interval::EVERYWHERE })
            }
            _ => {
                let enter = clamp((-room).div_euclid(-i128::from(rate)));
                Some(Interval { enter, ..Interval::EVERYWHERE })
            }
        }
    }

    /// Möller and Trumbore's test (Fast, Minimum Storage Ray/Triangle Intersection, 1997) in integers:
    /// both sides count, the edges too, and a ray in the plane meets nothing.
    fn triangle(&self, [a, b, c]: &[Vec3; 3]) -> Option<Interval> {
        let wide = |v: Vec3| [v.x, v.y, v.z].map(i128::from);
        let d = [self.direction.x, self.direction.y, self.direction.z].map(i128::from);
        let (e1, e2, to) = (wide(b.minus(*a)), wide(c.minus(*a)), wide(self.origin.minus(*a)));
        let p = cross(d, e2);
        let det = dot(e1, p);
        if det == 0 {
            return None;
        }
        let sign = det.signum();
        let det = det * sign;
        let u = dot(to, p) * sign;
        if u < 0 || u > det {
            return None;
        }
        let q = cross(to, e1);
        let v = dot(d, q) * sign;
        if v < 0 || u + v > det {
            return None;
        }
        let s = (dot(e2, q) * sign * i128::from(DIRECTION_ONE)).div_euclid(det) as i64;
        Some(Interval { enter: s, exit: s })
    }
}

fn cross(a: [i128; 3], b: [i128; 3]) -> [i128; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [i128; 3], b: [i128; 3]) -> i128 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A way from one point to another, as numerators over a common denominator: for movers, whose ways
/// are short and need no length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) from: Vec3,
    pub(super) to: Vec3,
}

/// A part of a way, in 1/65536 of it.
type Share = i64;

pub(super) const WHOLE: Share = 1 << 16;

impl Way {
    /// Where the way first meets a box; 0 if it begins within.
    pub(super) fn meets_box(&self, aabb: &Aabb) -> Option<Share> {
        let axis = |from: i32, to: i32, low: i32, high: i32| {
            let from = i64::from(from);
            slab(i64::from(to) - from, i64::from(low) - from, i64::from(high) - from)
        };
        let (f, t) = (self.from, self.to);
        let x = axis(f.x, t.x, aabb.min.x, aabb.max.x)?;
        let y = axis(f.y, t.y, aabb.min.y, aabb.max.y)?;
        let z = axis(f.z, t.z, aabb.min.z, aabb.max.z)?;
        within_way(x.and(y)?.and(z)?)
    }

    /// The same for a convex body whose planes have been moved outwards by `grow`.
    pub(super) fn meets_convex(
        &self,
        bounds: &Aabb,
        planes: &[Plane],
        grow: impl Fn(&Plane) -> i64,
    ) -> Option<Share> {
        let axis = |from: i32, to: i32, low: i32, high: i32| {
            let from = i64::from(from);
            slab(i64::from(to) - from, i64::from(low) - from, i64::from(high) - from)
        };
        let (f, t) = (self.from, self.to);
        let x = axis(f.x, t.x, bounds.min.x, bounds.max.x)?;
        let y = axis(f.y, t.y, bounds.min.y, bounds.max.y)?;
        let z = axis(f.z, t.z, bounds.min.z, bounds.max.z)?;
        let mut interval = x.and(y)?.and(z)?;
        let way = t.minus(f);
        for plane in planes {
            let rate = plane.normal.dot(way);
            let room = i128::from(plane.offset) + i128::from(grow(plane));
            let room = (room - i128::from(plane.normal.dot(f))) << 16;
            let clamp = |s: i128| s.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
            let half = match rate {
                0 if room < 0 => return None,
                0 => Interval::EVERYWHERE,
                1.. => {
                    let exit = clamp(room.div_euclid(i128::from(rate)));
                    Interval { exit, ..Interval::EVERYWHERE }
                }
                _ => {
                    let enter = clamp((-room).div_euclid(-i128::from(rate)));
                    Interval { enter, ..Interval::EVERYWHERE }
                }
            };
            interval = interval.and(half)?;
        }
        within_way(interval)
    }

    /// Where the way crosses a triangle.
    pub(super) fn meets_triangle(&self, [a, b, c]: &[Vec3; 3]) -> Option<Share> {
        let wide = |v: Vec3| [v.x, v.y, v.z].map(i128::from);
        let d = wide(self.to.minus(self.from));
        let (e1, e2, to) = (wide(b.minus(*a)), wide(c.minus(*a)), wide(self.from.minus(*a)));
        let p = cross(d, e2);
        let det = dot(e1, p);
        if det == 0 {
            return None;
        }
        let sign = det.signum();
        let det = det * sign;
        let u = dot(to, p) * sign;
        let q = cross(to, e1);
        let v = dot(d, q) * sign;
        if u < 0 || v < 0 || u + v > det {
            return None;
        }
        let share = ((dot(e2, q) * sign) << 16).div_euclid(det);
        (0..=i128::from(WHOLE)).contains(&share).then_some(share as i64)
    }
}

fn within_way(interval: Interval) -> Option<Share> {
    let meets = interval.exit >= 0 && interval.enter <= WHOLE;
    meets.then_some(interval.enter.max(0))
}
