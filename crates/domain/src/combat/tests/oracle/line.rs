//! A line and what it meets, by search in 128-bit integers.

use crate::combat::content::*;
use crate::combat::*;

pub(super) type Big = i128;

pub(super) const SEARCH: Big = 1 << 42;

/// The largest number for which a predicate holds that holds for all below it.
pub(super) fn largest(holds: impl Fn(Big) -> bool) -> Big {
    let (mut low, mut high) = (-SEARCH, SEARCH);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

pub(super) type Span = Option<(Big, Big)>;

pub(super) fn both(a: Span, b: Span) -> Span {
    let ((a0, a1), (b0, b1)) = (a?, b?);
    (a0.max(b0) <= a1.min(b1)).then(|| (a0.max(b0), a1.min(b1)))
}

pub(super) fn from_here(span: Span) -> Span {
    span.filter(|(_, exit)| *exit >= 0).map(|(enter, exit)| (enter.max(0), exit))
}

pub(super) struct Line {
    o: [Big; 3],
    d: [Big; 3],
}

impl Line {
    pub(super) fn new(origin: Vec3, direction: Direction) -> Self {
        Self { o: wide(origin), d: [direction.x, direction.y, direction.z].map(Big::from) }
    }

    /// Within `r` of a centre, in the axes chosen: by the sign of the exact square of the distance.
    pub(super) fn round(&self, centre: [Big; 3], r: Big, axes: &[usize]) -> Span {
        let sum = |of: &dyn Fn(usize) -> Big| axes.iter().map(|axis| of(*axis)).sum::<Big>();
        let a = sum(&|i| self.d[i] * self.d[i]);
        let b = sum(&|i| self.d[i] * (centre[i] - self.o[i]));
        let c = sum(&|i| (centre[i] - self.o[i]) * (centre[i] - self.o[i])) - r * r;
        if a == 0 {
            return (c <= 0).then_some((-SEARCH, SEARCH));
        }
        if b * b < a * c {
            return None;
        }
        // Squared distance less the radius', times 2³².
        let outside = |s: Big| {
            sum(&|i| {
                let way = (self.o[i] - centre[i]) * 65_536 + self.d[i] * s;
                way * way
            }) - r * r * 65_536 * 65_536
        };
        let before_middle = |s: Big| s * a <= b * 65_536;
        let enter = largest(|s| before_middle(s) && outside(s) >= 0);
        let exit = largest(|s| before_middle(s) || outside(s) <= 0);
        Some((enter, exit))
    }

    pub(super) fn between(&self, axis: usize, low: Big, high: Big) -> Span {
        let (o, d) = (self.o[axis] * 65_536, self.d[axis]);
        let (low, high) = (low * 65_536, high * 65_536);
        match d.signum() {
            0 => (low <= o && o <= high).then_some((-SEARCH, SEARCH)),
            1 => Some((largest(|s| o + d * s <= low), largest(|s| o + d * s <= high))),
            _ => Some((largest(|s| o + d * s >= high), largest(|s| o + d * s >= low))),
        }
    }

    pub(super) fn volume(&self, volume: &Volume, feet: Vec3, yaw: u16, grown: Big) -> Span {
        let forward = |part: i32| (Big::from(volume.forward_q) * Big::from(part) + (1 << 29)) >> 30;
        let feet = wide(feet);
        let at = [feet[0] + forward(cos_q30(yaw)), feet[1] + forward(sin_q30(yaw)), feet[2]];
        let r = Big::from(volume.radius_q) + grown;
        let height = |z: i32| [at[0], at[1], at[2] + Big::from(z)];
        match volume.shape {
            VolumeShape::Sphere { height_q } => {
                from_here(self.round(height(height_q), r, &[0, 1, 2]))
            }
            VolumeShape::Capsule { bottom_q, top_q } => {
                let (low, high) = (height(bottom_q), height(top_q));
                if self.d[0] == 0 && self.d[1] == 0 && self.round(low, r, &[0, 1]).is_none() {
                    return None;
                }
                let side = both(self.round(low, r, &[0, 1]), self.between(2, low[2], high[2]));
                let ends = [self.round(low, r, &[0, 1, 2]), self.round(high, r, &[0, 1, 2])];
                let all = ends.into_iter().chain([side]).filter_map(from_here);
                all.reduce(|(a0, a1), (b0, b1)| (a0.min(b0), a1.max(b1)))
            }
        }
    }

    pub(super) fn solid(&self, shape: &Shape) -> Span {
        let in_box = |aabb: &Aabb| {
            let (min, max) = (wide(aabb.min), wide(aabb.max));
            (0..3).try_fold((-SEARCH, SEARCH), |span, axis| {
                both(Some(span), self.between(axis, min[axis], max[axis]))
            })
        };
        match shape {
            Shape::Box(aabb) => from_here(in_box(aabb)),
            Shape::Convex(convex) => {
                let span = convex.planes.iter().fold(in_box(&convex.bounds), |span, plane| {
                    let n = wide(plane.normal);
                    let (o, d) = (dot(n, self.o) * 65_536, dot(n, self.d));
                    let most = Big::from(plane.offset) * 65_536;
                    let behind = match d.signum() {
                        0 => (o <= most).then_some((-SEARCH, SEARCH)),
                        1 => Some((-SEARCH, largest(|s| o + d * s <= most))),
                        _ => Some((largest(|s| o + d * s >= most), SEARCH)),
                    };
                    both(span, behind)
                });
                from_here(span)
            }
            Shape::Triangle(corners) => self.triangle(corners),
        }
    }

    /// Where the line is in the plane, and on which side of each edge.
    pub(super) fn triangle(&self, [a, b, c]: &[Vec3; 3]) -> Span {
        let [a, b, c] = [wide(*a), wide(*b), wide(*c)];
        let n = cross(minus(b, a), minus(c, a));
        let rate = dot(n, self.d);
        if rate == 0 {
            return None;
        }
        // The point in the plane is o + d · t / rate, its denominator made positive.
        let t = dot(n, minus(a, self.o)) * rate.signum();
        let rate = rate.abs();
        let point: [Big; 3] = std::array::from_fn(|i| self.o[i] * rate + self.d[i] * t);
        let scaled = |corner: [Big; 3]| corner.map(|x| x * rate);
        // Scaled down where it would not fit: the signs need 2¹²⁷ at most for the maps of these tests.
        let side = |from: [Big; 3], to: [Big; 3]| {
            dot(
                n.map(|x| x >> 12),
                cross(minus(to, from), minus(point, scaled(from)).map(|x| x >> 24)),
            )
        };
        let inside = [side(a, b), side(b, c), side(c, a)].iter().all(|side| *side >= 0);
        let s = (t * 65_536).div_euclid(rate);
        (inside && s >= 0).then_some((s, s))
    }
}

pub(super) fn wide(v: Vec3) -> [Big; 3] {
    [v.x, v.y, v.z].map(Big::from)
}

pub(super) fn minus(a: [Big; 3], b: [Big; 3]) -> [Big; 3] {
    std::array::from_fn(|i| a[i] - b[i])
}

pub(super) fn dot(a: [Big; 3], b: [Big; 3]) -> Big {
    (0..3).map(|i| a[i] * b[i]).sum()
}

pub(super) fn cross(a: [Big; 3], b: [Big; 3]) -> [Big; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
