//! The solids of a map in a tree of boxes, so that a ray looks at few of them.

use super::Ray;
use super::solid::{WHOLE, Way};
use crate::combat::content::{Aabb, Plane, Shape, Solid};
use crate::combat::fixed::Vec3;

/// Solids in a leaf, at most.
const LEAF_MAX: usize = 4;

/// Walls that one ray is asked about, at most; it ends at the next.
pub const WALLS_MAX: usize = 16;

/// A tree in the order of a walk: the first child follows its parent, `skip` is where the walk goes on if
/// the box is not met.
#[derive(Debug, Clone, Default)]
pub struct Bvh {
    nodes: Vec<Node>,
    solids: Vec<Solid>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    bounds: Aabb,
    skip: u32,
    /// Solids of a leaf; empty for an inner node.
    first: u32,
    count: u32,
}

/// What stands in the way of a ray, nearest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walls {
    walls: [Wall; WALLS_MAX],
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Wall {
    pub enter: i64,
    pub exit: i64,
    /// 0 lets nothing through.
    pub density_permille: u32,
}

/// The box that a player takes up, for what he bumps against.
#[derive(Debug, Clone, Copy)]
pub struct Mover {
    pub half_width_q: i32,
    /// Above the feet: lower things are stairs.
    pub bottom_q: i32,
    pub top_q: i32,
}

impl Bvh {
    pub fn new(solids: &[Solid]) -> Self {
        let mut order: Vec<(Aabb, usize)> =
            solids.iter().enumerate().map(|(index, solid)| (solid.shape.bounds(), index)).collect();
        let mut tree = Self { nodes: Vec::new(), solids: Vec::with_capacity(solids.len()) };
        if !order.is_empty() {
            tree.build(&mut order, solids);
        }
        tree
    }

    /// Splits at the median of the centres along the longest side. Equal centres keep the order of the
    /// content, so that the same content gives the same tree.
    fn build(&mut self, part: &mut [(Aabb, usize)], solids: &[Solid]) {
        let bounds = part.iter().skip(1).fold(part[0].0, |all, (bounds, _)| all.around(*bounds));
        let at = self.nodes.len();
        self.nodes.push(Node { bounds, skip: 0, first: self.solids.len() as u32, count: 0 });
        if part.len() <= LEAF_MAX {
            self.nodes[at].count = part.len() as u32;
            self.solids.extend(part.iter().map(|(_, index)| solids[*index].clone()));
        } else {
            let size = bounds.max.minus(bounds.min);
            let axis = |v: Vec3| {
                if size.x >= size.y && size.x >= size.z {
                    v.x
                } else if size.y >= size.z {
                    v.y
                } else {
                    v.z
                }
            };
            let centre = |bounds: &Aabb| i64::from(axis(bounds.min)) + i64::from(axis(bounds.max));
            part.sort_unstable_by_key(|(bounds, index)| (centre(bounds), *index));
            let (left, right) = part.split_at_mut(part.len() / 2);
            self.build(left, solids);
            self.build(right, solids);
        }
        self.nodes[at].skip = self.nodes.len() as u32;
    }

    /// The walls that a ray meets up to a distance, nearest first.
    pub fn walls(&self, ray: &Ray, up_to_q: i64) -> Walls {
        let mut walls = Walls::default();
        let end = ray.point(up_to_q);
        self.visit(ray.origin, end, |solid| {
            if let Some(interval) = ray.shape(&solid.shape)
                && interval.enter <= up_to_q
            {
                walls.add(Wall {
                    enter: interval.enter,
                    exit: interval.exit,
                    density_permille: solid.density_permille,
                });
            }
        });
        walls
    }

    /// Where a mover who goes straight from one place to another first bumps into something that he was
    /// not within before.
    pub fn bump(&self, mover: &Mover, from: Vec3, to: Vec3) -> Option<Vec3> {
        let share = self.first(mover, from, to, true)?;
        Some(from.towards(to, share, WHOLE))
    }

    /// Whether nothing lies between two points. What has no thickness counts; what both touch does not.
    pub fn sees(&self, from: Vec3, to: Vec3) -> bool {
        let point = Mover { half_width_q: 1, bottom_q: 0, top_q: 1 };
        self.first(&point, from, to, false).is_none()
    }

    /// Where a point that flies from one place to another first meets something, if it does.
    pub fn stops(&self, from: Vec3, to: Vec3) -> Option<Vec3> {
        let point = Mover { half_width_q: 1, bottom_q: 0, top_q: 1 };
        let share = self.first(&point, from, to, false)?;
        Some(from.towards(to, share, WHOLE))
    }

    /// Whether something lies within `depth_q` under the feet, or reaches up to there from below.
    pub fn carries(&self, half_width_q: i32, feet: Vec3, depth_q: i32) -> bool {
        let mover = Mover { half_width_q, bottom_q: 0, top_q: 1 };
        let from = feet.raised(depth_q);
        self.first(&mover, from, feet.raised(-depth_q), false).is_some()
    }

    fn first(&self, mover: &Mover, from: Vec3, to: Vec3, leaves: bool) -> Option<i64> {
        let mut first: Option<i64> = None;
        let reach = Vec3::new(mover.half_width_q, mover.half_width_q, 0);
        let low = |p: Vec3| p.minus(reach).raised(mover.bottom_q);
        let high = |p: Vec3| p.plus(reach).raised(mover.top_q);
        let swept = Aabb::new(low(from), high(from)).around(Aabb::new(low(to), high(to)));
        self.visit_box(&swept, |solid| {
            // What he stands in already he may leave.
            if leaves && mover.is_within(from, &solid.shape) {
                return;
            }
            if let Some(share) = mover.meets(&Way { from, to }, &solid.shape) {
                first = Some(first.map_or(share, |known| known.min(share)));
            }
        });
        first
    }

    fn visit(&self, from: Vec3, to: Vec3, mut see: impl FnMut(&Solid)) {
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            if may_meet(from, to, &node.bounds) {
                let first = node.first as usize;
                self.solids[first..first + node.count as usize].iter().for_each(&mut see);
                at += 1;
            } else {
                at = node.skip as usize;
            }
        }
    }

    fn visit_box(&self, swept: &Aabb, mut see: impl FnMut(&Solid)) {
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            if node.bounds.touches(swept) {
                let first = node.first as usize;
                self.solids[first..first + node.count as usize].iter().for_each(&mut see);
                at += 1;
            } else {
                at = node.skip as usize;
            }
        }
    }
}

impl Mover {
    /// Where a way meets a shape. Boxes and convex bodies are grown by the mover and met by a point;
    /// triangles are met by the mover's middle and the four edges of his box at three heights.
    fn meets(&self, way: &Way, shape: &Shape) -> Option<i64> {
        let half = self.half_width_q;
        match shape {
            Shape::Box(aabb) => way.meets_box(&self.grown(aabb)),
            Shape::Convex(convex) => {
                let bounds = self.grown(&convex.bounds);
                way.meets_convex(&bounds, &convex.planes, |plane| self.reach(plane))
            }
            Shape::Triangle(corners) => {
                let offsets = [(0, 0), (half, half), (half, -half), (-half, half), (-half, -half)];
                let heights = [self.bottom_q, i32::midpoint(self.bottom_q, self.top_q), self.top_q];
                let ways = offsets.into_iter().flat_map(|(x, y)| {
                    heights.map(|z| {
                        let by = Vec3::new(x, y, z);
                        Way { from: way.from.plus(by), to: way.to.plus(by) }
                    })
                });
                ways.filter_map(|way| way.meets_triangle(corners)).min()
            }
        }
    }

    /// The places of the feet at which the mover's box and a solid box have inner points in common.
    fn grown(&self, aabb: &Aabb) -> Aabb {
        let half = self.half_width_q;
        Aabb {
            min: aabb.min.minus(Vec3::new(half - 1, half - 1, self.top_q - 1)),
            max: aabb.max.plus(Vec3::new(half - 1, half - 1, -self.bottom_q - 1)),
        }
    }

    /// Whether the mover is within a solid already. Nobody is within a triangle, but he who touches one
    /// may leave it.
    fn is_within(&self, feet: Vec3, shape: &Shape) -> bool {
        match shape {
            Shape::Box(aabb) => self.grown(aabb).contains(feet),
            Shape::Convex(convex) => {
                self.grown(&convex.bounds).contains(feet)
                    && convex.planes.iter().all(|plane| {
                        let room = i128::from(plane.offset) + i128::from(self.reach(plane));
                        i128::from(plane.normal.dot(feet)) <= room
                    })
            }
            Shape::Triangle(_) => false,
        }
    }

    /// How far the mover's box reaches from his feet against a plane's normal, scaled by the normal.
    fn reach(&self, plane: &Plane) -> i64 {
        let half = i64::from(self.half_width_q);
        let level = half * (i64::from(plane.normal.x).abs() + i64::from(plane.normal.y).abs());
        let z = i64::from(plane.normal.z);
        let lowest = (z * i64::from(self.bottom_q)).min(z * i64::from(self.top_q));
        level - lowest - 1
    }
}

impl Walls {
    pub fn as_slice(&self) -> &[Wall] {
        &self.walls[..self.count]
    }

    pub fn first_q(&self) -> Option<i64> {
        self.as_slice().first().map(|wall| wall.enter)
    }

    /// Keeps the nearest ones, in order.
    fn add(&mut self, wall: Wall) {
        let at = self.as_slice().partition_point(|known| *known <= wall);
        if at == WALLS_MAX {
            return;
        }
        self.count = (self.count + 1).min(WALLS_MAX);
        self.walls.copy_within(at..self.count - 1, at + 1);
        self.walls[at] = wall;
    }
}

/// Whether a segment may meet a box: a separating-axis test (Ericson, Real-Time Collision Detection,
/// 2005, 5.3.3) without a division, upon a box that is larger by the rounding of the segment's end.
fn may_meet(from: Vec3, to: Vec3, bounds: &Aabb) -> bool {
    let wide = |v: Vec3| [v.x, v.y, v.z].map(i64::from);
    let (f, t, min, max) = (wide(from), wide(to), wide(bounds.min), wide(bounds.max));
    let size: [i64; 3] = std::array::from_fn(|i| max[i] - min[i] + 4);
    let middle: [i64; 3] = std::array::from_fn(|i| f[i] + t[i] - min[i] - max[i]);
    let way: [i64; 3] = std::array::from_fn(|i| t[i] - f[i]);
    (0..3).all(|i| middle[i].abs() <= size[i] + way[i].abs())
        && (0..3).all(|i| {
            let (j, k) = ((i + 1) % 3, (i + 2) % 3);
            let across = middle[j] * way[k] - middle[k] * way[j];
            across.abs() <= size[j] * way[k].abs() + size[k] * way[j].abs()
        })
}
