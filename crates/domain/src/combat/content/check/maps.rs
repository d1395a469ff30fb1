//! Maps.

use super::limits::{PLANES_MAX, SOLIDS_MAX, SPAWNS_MAX};
use super::report::Report;
use super::report_ids;
use crate::combat::Vec3;
use crate::combat::content::{Aabb, Content, Convex, Map, Shape};

/// Components of a plane's normal, in 1/1024: so that its products stay within 64 bits.
const NORMAL_ABS_MAX: i32 = 1 << 20;

impl Content {
    pub(super) fn report_maps(&self, report: &mut Report) {
        report_ids(report, "maps", self.maps.iter().map(|map| (&*map.id, &*map.name)));
        for (index, map) in self.maps.iter().enumerate() {
            report_map(report, &format!("maps[{index}]"), map);
        }
    }
}

fn report_map(report: &mut Report, at: &str, map: &Map) {
    report_box(report, &format!("{at}.bounds"), &map.bounds);
    report.count(&format!("{at}.solids"), map.solids.len(), 0, SOLIDS_MAX);
    for (index, solid) in map.solids.iter().take(SOLIDS_MAX).enumerate() {
        let at = format_args!("{at}.solids[{index}]").to_string();
        report.within(format!("{at}.density_permille"), solid.density_permille, 0, 1_000_000);
        match &solid.shape {
            Shape::Box(aabb) => report_box(report, &format!("{at}.box"), aabb),
            Shape::Convex(convex) => report_convex(report, &format!("{at}.convex"), convex),
            Shape::Triangle(corners) => report_triangle(report, &format!("{at}.triangle"), corners),
        }
    }
    report.count(&format!("{at}.spawns"), map.spawns.len(), 1, SPAWNS_MAX);
    for (index, spawn) in map.spawns.iter().enumerate() {
        let at = format!("{at}.spawns[{index}]");
        if !map.bounds.contains(spawn.position) {
            report
                .problem(format!("{at}.position"), "accepts a place within the bounds of the map");
        }
        if !spawn.look.is_valid() {
            report.problem(format!("{at}.look"), "accepts a pitch of -16384 to 16384");
        }
    }
}

fn report_box(report: &mut Report, at: &str, aabb: &Aabb) {
    if !aabb.min.is_in_world() || !aabb.max.is_in_world() {
        report.problem(at, OUT_OF_WORLD);
    } else if !aabb.is_ordered() {
        report.problem(at, "accepts a minimum that is nowhere above the maximum");
    }
}

fn report_convex(report: &mut Report, at: &str, convex: &Convex) {
    report_box(report, &format!("{at}.bounds"), &convex.bounds);
    report.count(&format!("{at}.planes"), convex.planes.len(), 1, PLANES_MAX);
    for (index, plane) in convex.planes.iter().enumerate() {
        let Vec3 { x, y, z } = plane.normal;
        let longest = [x, y, z].map(i32::saturating_abs).into_iter().max().unwrap_or(0);
        let at = format!("{at}.planes[{index}]");
        report.within(format!("{at}.normal"), longest, 1, NORMAL_ABS_MAX);
        report.within(format!("{at}.offset"), plane.offset, -(1 << 48), 1 << 48);
    }
}

fn report_triangle(report: &mut Report, at: &str, [a, b, c]: &[Vec3; 3]) {
    if ![a, b, c].into_iter().all(|corner| corner.is_in_world()) {
        report.problem(at, OUT_OF_WORLD);
        return;
    }
    let wide = |v: Vec3| [v.x, v.y, v.z].map(i64::from);
    let (u, v) = (wide(b.minus(*a)), wide(c.minus(*a)));
    let flat = (0..3).all(|i| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        u[j] * v[k] == u[k] * v[j]
    });
    if flat {
        report.problem(at, "accepts three corners that are not in one line");
    }
}

const OUT_OF_WORLD: &str = "accepts coordinates of -16777216 to 16777216 quanta";
