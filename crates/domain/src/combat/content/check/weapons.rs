//! Weapons, armour and the body.

use super::limits::{
    DURATION_MS_MAX, EFFECTS_EACH_MAX, FACTOR_PERMILLE_MAX, FALLOFF_POINTS_MAX, HULL_Q_MAX,
    PELLETS_MAX, POINTS_MAX, VOLUMES_MAX,
};
use super::report::Report;
use super::report_ids;
use crate::combat::content::{Content, Delivery, Hull, Stance, VolumeShape, Weapon};
use crate::combat::fixed::WORLD_ABS_MAX_Q;

impl Content {
    pub(super) fn report_weapons(&self, report: &mut Report) {
        let names = |id, name| (String::as_str(id), String::as_str(name));
        report_ids(report, "weapons", self.weapons.iter().map(|w| names(&w.id, &w.name)));
        report_ids(report, "armours", self.armours.iter().map(|a| names(&a.id, &a.name)));
        for (index, weapon) in self.weapons.iter().enumerate() {
            self.report_weapon(report, &format!("weapons[{index}]"), weapon);
        }
        for (index, armour) in self.armours.iter().enumerate() {
            let at = format!("armours[{index}]");
            report.within(format!("{at}.points"), armour.points, 0, POINTS_MAX);
            report.within(format!("{at}.absorb_permille"), armour.absorb_permille, 0, 1_000);
        }
    }

    fn report_weapon(&self, report: &mut Report, at: &str, weapon: &Weapon) {
        for (field, value, min, max) in [
            ("damage", weapon.damage, 0, POINTS_MAX),
            ("pellets", u32::from(weapon.pellets), 1, u32::from(PELLETS_MAX)),
            ("rounds_per_minute", weapon.rounds_per_minute, 1, 60_000),
            ("magazine", u32::from(weapon.magazine), 1, u32::from(u16::MAX)),
            ("reload_ms", weapon.reload_ms, 0, DURATION_MS_MAX),
            ("equip_ms", weapon.equip_ms, 0, DURATION_MS_MAX),
            ("head_permille", weapon.head_permille, 0, FACTOR_PERMILLE_MAX),
            ("limb_permille", weapon.limb_permille, 0, FACTOR_PERMILLE_MAX),
            ("spread", u32::from(weapon.spread), 0, 16_384),
            ("recoil", u32::from(weapon.recoil), 0, 16_384),
            ("armour_pierce_permille", weapon.armour_pierce_permille, 0, 1_000),
            ("pierce_players", u32::from(weapon.pierce_players), 0, 7),
            ("pierce_permille", weapon.pierce_permille, 0, 1_000),
            ("speed_permille", weapon.speed_permille, 0, 10_000),
        ] {
            report.within(format!("{at}.{field}"), value, min, max);
        }
        for (field, value, min) in [
            ("range_q", weapon.range_q, 1),
            ("muzzle_q", weapon.muzzle_q, 0),
            ("pierce_wall_q", weapon.pierce_wall_q, 0),
        ] {
            report.within(format!("{at}.{field}"), value, min, WORLD_ABS_MAX_Q);
        }
        report.count(&format!("{at}.falloff"), weapon.falloff.len(), 0, FALLOFF_POINTS_MAX);
        for (index, point) in weapon.falloff.iter().enumerate() {
            let at = format!("{at}.falloff[{index}]");
            report.within(format!("{at}.distance_q"), point.distance_q, 0, WORLD_ABS_MAX_Q);
            report.within(format!("{at}.permille"), point.permille, 0, FACTOR_PERMILLE_MAX);
            if index > 0 && weapon.falloff[index - 1].distance_q >= point.distance_q {
                let what = "accepts a distance beyond that of the point before";
                report.problem(format!("{at}.distance_q"), what);
            }
        }
        report.count(&format!("{at}.effects"), weapon.effects.len(), 0, EFFECTS_EACH_MAX);
        for (index, effect) in weapon.effects.iter().enumerate() {
            let at = format!("{at}.effects[{index}]");
            report.reference(at, "effects", effect.0, self.effects.len());
        }
        if let Delivery::Projectile(spec) = &weapon.delivery {
            let at = format!("{at}.projectile");
            report.within(format!("{at}.speed_q_per_s"), spec.speed_q_per_s, 0, 1 << 21);
            report.within(format!("{at}.gravity_q_per_s2"), spec.gravity_q_per_s2, 0, 1 << 20);
            report.within(format!("{at}.fuse_ms"), spec.fuse_ms, 1, 600_000);
            report.within(format!("{at}.radius_q"), spec.radius_q, 1, 1 << 20);
        }
    }

    pub(super) fn report_body(&self, report: &mut Report) {
        for (name, stance) in ["standing", "crouching", "prone"].into_iter().zip(Stance::ALL) {
            report_hull(report, &format!("body.{name}"), self.body.hull(stance));
        }
    }
}

fn report_hull(report: &mut Report, at: &str, hull: &Hull) {
    report.within(format!("{at}.eye_q"), hull.eye_q, 0, HULL_Q_MAX);
    report.within(format!("{at}.height_q"), hull.height_q, 1, HULL_Q_MAX);
    report.within(format!("{at}.radius_q"), hull.radius_q, 1, HULL_Q_MAX);
    report.count(&format!("{at}.volumes"), hull.volumes.len(), 1, VOLUMES_MAX);
    for (index, volume) in hull.volumes.iter().enumerate() {
        let at = format!("{at}.volumes[{index}]");
        report.within(format!("{at}.forward_q"), volume.forward_q, -HULL_Q_MAX, HULL_Q_MAX);
        report.within(format!("{at}.radius_q"), volume.radius_q, 1, HULL_Q_MAX);
        match volume.shape {
            VolumeShape::Sphere { height_q } => {
                report.within(format!("{at}.height_q"), height_q, 0, HULL_Q_MAX);
            }
            VolumeShape::Capsule { bottom_q, top_q } => {
                report.within(format!("{at}.bottom_q"), bottom_q, 0, HULL_Q_MAX);
                report.within(format!("{at}.top_q"), top_q, bottom_q, HULL_Q_MAX);
            }
        }
    }
}
