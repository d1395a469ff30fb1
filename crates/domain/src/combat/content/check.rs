//! What content is accepted. Every error names its places as paths, such as `weapons[3].range_q`, and says
//! what is accepted there. That durations, damage and the like are not negative is in their types.

mod actions;
mod maps;
mod modes;
mod report;
mod rules;
mod weapons;

use std::collections::BTreeSet;

use super::{Content, ContentHash, Hull, Stance, VolumeShape};
use crate::Result;
use crate::combat::MapNo;
use crate::combat::fixed::{Vec3, sqrt_up};
use crate::combat::geometry::Bvh;
use report::Report;

/// The bounds of content.
pub mod limits {
    /// Entries of one kind.
    pub const WEAPONS_MAX: usize = 256;
    pub const ARMOURS_MAX: usize = 64;
    pub const EFFECTS_MAX: usize = 256;
    pub const ACTIONS_MAX: usize = 256;
    pub const MODES_MAX: usize = 64;
    pub const MAPS_MAX: usize = 64;
    /// Bytes of an id and of a name.
    pub const ID_BYTES_MAX: usize = 64;
    pub const NAME_BYTES_MAX: usize = 128;
    /// Milliseconds that any duration may last: a day.
    pub const DURATION_MS_MAX: u32 = 86_400_000;
    /// Points of damage, health, armour, energy.
    pub const POINTS_MAX: u32 = 1_000_000;
    /// Thousandths of any factor: a hundredfold.
    pub const FACTOR_PERMILLE_MAX: u32 = 100_000;
    pub const PELLETS_MAX: u8 = 32;
    pub const FALLOFF_POINTS_MAX: usize = 16;
    /// Effects of one weapon or action.
    pub const EFFECTS_EACH_MAX: usize = 8;
    /// Entries that follow upon each other.
    pub const CHAIN_MAX: usize = 16;
    pub const VOLUMES_MAX: usize = 16;
    /// Quanta of a hull's height, width and volumes: 16 m.
    pub const HULL_Q_MAX: i32 = 16 * 1024;
    /// Weapons and actions that a mode gives to each.
    pub const LOADOUT_MAX: usize = 16;
    pub const TEAMS_MAX: u8 = 16;
    /// Solids of a map, its triangles included.
    pub const SOLIDS_MAX: usize = 65_536;
    pub const PLANES_MAX: usize = 32;
    pub const SPAWNS_MAX: usize = 256;
    /// Problems that one error names.
    pub const PROBLEMS_MAX: usize = 20;
}

/// Content that keeps its promises: every reference leads somewhere, every number is in its bounds.
#[derive(Debug, Clone)]
pub struct CheckedContent {
    content: Content,
    hash: ContentHash,
    /// The solids of each map, ready for rays.
    geometry: Vec<Bvh>,
    /// For each stance: the middle of the body above the feet, and how far from there it reaches.
    reach: [(i32, i32); 3],
}

impl CheckedContent {
    /// Checks content, or says all that is wrong with it, up to [`limits::PROBLEMS_MAX`].
    pub fn new(content: Content) -> Result<Self> {
        let mut report = Report::default();
        content.rules.report(&mut report);
        content.report(&mut report);
        report.finish()?;
        let hash = content.hash();
        let geometry = content.maps.iter().map(|map| Bvh::new(&map.solids)).collect();
        let reach = Stance::ALL.map(|stance| reach(content.body.hull(stance)));
        Ok(Self { content, hash, geometry, reach })
    }

    pub const fn hash(&self) -> ContentHash {
        self.hash
    }

    /// What stands in the way on a map.
    pub fn geometry(&self, map: MapNo) -> &Bvh {
        &self.geometry[usize::from(map.0)]
    }

    pub(in crate::combat) const fn reach(&self, stance: Stance) -> (i32, i32) {
        self.reach[stance as usize]
    }
}

impl std::ops::Deref for CheckedContent {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

impl Content {
    fn report(&self, report: &mut Report) {
        report.text("name", &self.name, 1);
        report.count("weapons", self.weapons.len(), 1, limits::WEAPONS_MAX);
        report.count("armours", self.armours.len(), 0, limits::ARMOURS_MAX);
        report.count("effects", self.effects.len(), 0, limits::EFFECTS_MAX);
        report.count("actions", self.actions.len(), 0, limits::ACTIONS_MAX);
        report.count("modes", self.modes.len(), 1, limits::MODES_MAX);
        report.count("maps", self.maps.len(), 1, limits::MAPS_MAX);
        self.report_body(report);
        self.report_weapons(report);
        self.report_effects(report);
        self.report_actions(report);
        self.report_modes(report);
        self.report_maps(report);
    }
}

/// Ids are words, and each stands once in its list.
fn report_ids<'a>(report: &mut Report, list: &str, ids: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut known = BTreeSet::new();
    for (index, (id, name)) in ids.enumerate() {
        let field = format!("{list}[{index}].id");
        let word = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let fits = (1..=limits::ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(word);
        if !fits {
            let most = limits::ID_BYTES_MAX;
            let what = format!(
                "accepts 1 to {most} lower-case letters, digits, `_` and `-`, found {id:?}"
            );
            report.problem(field, what);
        } else if !known.insert(id) {
            report.problem(field, format!("accepts each id once, found {id} again"));
        }
        report.text(&format!("{list}[{index}].name"), name, 0);
    }
}

/// An entry from which a chain of `then` does not end, or is too long: the path of the chain.
fn endless(start: usize, then: impl Fn(usize) -> Option<usize>) -> Option<Vec<usize>> {
    let mut chain = vec![start];
    let mut at = start;
    while let Some(next) = then(at) {
        let cycle = chain.contains(&next);
        chain.push(next);
        if cycle || chain.len() > limits::CHAIN_MAX {
            return Some(chain);
        }
        at = next;
    }
    None
}

/// The middle of a hull, and the radius of a sphere around it that holds every volume.
fn reach(hull: &Hull) -> (i32, i32) {
    let middle = hull.height_q / 2;
    let radius = hull.volumes.iter().map(|volume| {
        let ends = match volume.shape {
            VolumeShape::Sphere { height_q } => [height_q, height_q],
            VolumeShape::Capsule { bottom_q, top_q } => [bottom_q, top_q],
        };
        let far = ends.map(|height| {
            sqrt_up(Vec3::new(volume.forward_q, 0, height - middle).squared()) as i32
        });
        // Two quanta for the rounding of a forward part, and of the ray.
        far[0].max(far[1]) + volume.radius_q + 2
    });
    (middle, radius.max().unwrap_or(0))
}
