//! Things that fly and explode.

use super::Turn;
use super::damage::Source;
use crate::combat::command::Shot;
use crate::combat::content::{Delivery, ProjectileSpec};
use crate::combat::event::{Cause, Event, Projectile};
use crate::combat::fixed::{DIRECTION_ONE, Vec3};
use crate::combat::geometry::Ray;
use crate::combat::{PlayerNo, ProjectileNo, Tick, WeaponNo};

/// How long a projectile cannot meet the one who fired it: 200 ms.
const OWNER_SAFE_MS: u32 = 200;

impl Turn<'_> {
    pub(super) fn launch(&mut self, shot: &Shot, weapon: WeaponNo, spec: &ProjectileSpec) {
        let direction = shot.look.direction();
        let along = |part: i64| (part * i64::from(spec.speed_q_per_s) / DIRECTION_ONE) as i32;
        let velocity = Vec3::new(along(direction.x), along(direction.y), along(direction.z));
        let fuse = self.session.created.rules.ticks(spec.fuse_ms).max(1);
        let team = self.session.player(shot.player).map_or_else(Default::default, |p| p.team);
        self.emit(Event::Launched(Box::new(Projectile {
            number: ProjectileNo(self.session.next_projectile),
            owner: shot.player,
            team,
            weapon,
            shot_seq: shot.seq,
            launched_at: self.session.tick,
            explodes_at: self.session.tick.after(fuse),
            origin: shot.origin,
            velocity,
            gravity_q_per_s2: spec.gravity_q_per_s2,
            rest: None,
        })));
    }

    /// Moves everything that flies by one tick, in the order of the launches.
    pub(super) fn fly(&mut self) {
        let flying: Vec<ProjectileNo> =
            self.session.projectiles.iter().map(|projectile| projectile.number).collect();
        for number in flying {
            let known = self.session.projectiles.iter().find(|flying| flying.number == number);
            let Some(projectile) = known.copied() else { continue };
            self.fly_one(&projectile);
        }
    }

    fn fly_one(&mut self, projectile: &Projectile) {
        let content = self.content;
        let data = content.weapons.get(usize::from(projectile.weapon.0));
        let Some(Delivery::Projectile(spec)) = data.map(|data| &data.delivery) else { return };
        let tick = self.session.tick;
        let mut at = projectile.rest;
        if at.is_none() {
            let tick_hz = self.session.created.rules.tick_hz;
            let from = projectile.place(tick_hz, Tick(tick.0 - 1));
            let to = projectile.place(tick_hz, tick);
            let (stop, player) = self.collide(projectile, from, to);
            match stop {
                Some(stop) if spec.explodes_on_contact || player => {
                    return self.explode(projectile, spec, stop);
                }
                Some(position) => {
                    let number = projectile.number;
                    self.emit(Event::ProjectileStopped { projectile: number, position });
                    at = Some(position);
                }
                None => at = Some(to),
            }
        }
        if tick >= projectile.explodes_at {
            self.explode(projectile, spec, at.unwrap_or(projectile.origin));
        }
    }

    /// Where the way of a tick ends early, and whether at a player. Projectiles that do not explode upon
    /// contact fly through players.
    fn collide(&self, projectile: &Projectile, from: Vec3, to: Vec3) -> (Option<Vec3>, bool) {
        let map = self.session.created.map;
        let bounds = &self.content.maps[usize::from(map.0)].bounds;
        let wall = match self.content.geometry(map).stops(from, to) {
            None if !bounds.contains(to) => Some(bounds.nearest(to)),
            wall => wall,
        };
        let way = wall.unwrap_or(to);
        let data = self.content.weapons.get(usize::from(projectile.weapon.0));
        let contact = data.is_some_and(
            |data| matches!(&data.delivery, Delivery::Projectile(spec) if spec.explodes_on_contact),
        );
        if !contact {
            return (wall, false);
        }
        let safe = self.session.created.rules.ticks(OWNER_SAFE_MS);
        let young = self.session.tick.since(projectile.launched_at) <= safe;
        let ray = Ray::towards(from, way);
        let Some((ray, length)) = ray else { return (wall, false) };
        let mut nearest: Option<i64> = None;
        for (number, player) in self.session.present() {
            if !player.is_alive() || (young && number == projectile.owner) {
                continue;
            }
            let hull = self.content.body.hull(player.pose.stance);
            let (feet, yaw) = (player.pose.position, player.pose.look.yaw);
            let met = hull.volumes.iter().filter_map(|volume| ray.volume(volume, feet, yaw, 0));
            let met = met.map(|interval| interval.enter).filter(|enter| *enter <= length).min();
            nearest = met.into_iter().chain(nearest).min();
        }
        match nearest {
            Some(enter) => (Some(ray.point(enter)), true),
            None => (wall, false),
        }
    }

    /// Damage falls linearly from the centre, and with each of four points of a body that a wall covers.
    /// Everybody stands where he is now: nobody aims at an explosion.
    fn explode(&mut self, projectile: &Projectile, spec: &ProjectileSpec, position: Vec3) {
        let weapon = projectile.weapon;
        self.emit(Event::Exploded { projectile: projectile.number, position });
        let content = self.content;
        let Some(data) = content.weapons.get(usize::from(weapon.0)) else { return };
        let source = Source {
            by: Some(projectile.owner),
            team: projectile.team,
            cause: Cause::Weapon(weapon),
            shot_seq: projectile.shot_seq,
        };
        let targets: Vec<(PlayerNo, u64)> = self
            .session
            .present()
            .filter(|(_, player)| player.is_alive())
            .filter_map(|(number, player)| {
                let hull = content.body.hull(player.pose.stance);
                let feet = player.pose.position;
                let middle = feet.raised(hull.height_q / 2);
                let away = middle.minus(position).length_q() - i64::from(hull.radius_q);
                let radius = i64::from(spec.radius_q);
                if away >= radius {
                    return None;
                }
                let near = (radius - away.max(0)) * 1_000 / radius.max(1);
                let points = [
                    feet.raised(hull.height_q / 8),
                    middle,
                    feet.raised(hull.height_q - hull.height_q / 8),
                    middle.plus(Vec3::new(hull.radius_q / 2, hull.radius_q / 2, 0)),
                ];
                let geometry = content.geometry(self.session.created.map);
                let seen = points.iter().filter(|point| geometry.sees(position, **point)).count();
                (seen > 0).then_some((number, near as u64 * seen as u64 / 4))
            })
            .collect();
        for (target, permille) in targets {
            if self.session.status.is_over() {
                return;
            }
            let amount = self.amount(&source, target, data.damage, &[permille]);
            self.hurt(&source, target, amount, true);
            for effect in &data.effects {
                self.apply_effect(&source, target, *effect);
            }
        }
    }
}

impl Projectile {
    /// Where it is at a tick: `origin + velocity · t − gravity · t² / 2`, from the launch and not from step
    /// to step, so that rounding does not add up; or where it lies.
    pub fn place(&self, tick_hz: u32, tick: Tick) -> Vec3 {
        self.rest.unwrap_or_else(|| flown(self, tick_hz, tick))
    }
}

fn flown(projectile: &Projectile, tick_hz: u32, tick: Tick) -> Vec3 {
    let ticks = i128::from(tick.since(projectile.launched_at));
    let hz = i128::from(tick_hz);
    let axis = |origin: i32, velocity: i32, gravity: i32| {
        let run = (i128::from(velocity) * ticks).div_euclid(hz);
        let fall = (i128::from(gravity) * ticks * ticks).div_euclid(2 * hz * hz);
        let most = i128::from(crate::combat::fixed::WORLD_ABS_MAX_Q);
        (i128::from(origin) + run - fall).clamp(-most, most) as i32
    };
    let (o, v) = (projectile.origin, projectile.velocity);
    Vec3::new(axis(o.x, v.x, 0), axis(o.y, v.y, 0), axis(o.z, v.z, projectile.gravity_q_per_s2))
}
