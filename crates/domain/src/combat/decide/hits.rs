//! D7 to D10: whom the rays of a shot meet, through what, and what that does.

use super::Turn;
use super::damage::{Losses, Source, Vitals};
use crate::combat::command::Shot;
use crate::combat::content::{FalloffPoint, Part, Weapon};
use crate::combat::event::Cause;
use crate::combat::fixed::{Direction, Look, cos_q30, sin_q30};
use crate::combat::geometry::{Ray, WALLS_MAX, Walls};
use crate::combat::session::Seen;
use crate::combat::verdict::{Reason, ShotEvidence};
use crate::combat::{PlayerNo, WeaponNo, random};

/// Players that one ray can meet: those that it goes through, and the last.
pub(in crate::combat) const HITS_PER_RAY_MAX: usize = 8;

/// The longest ray, the diagonal of the world, in quanta.
const RAY_MAX_Q: i64 = 1 << 26;

/// A player in the way of a ray.
#[derive(Debug, Clone, Copy)]
struct Met {
    enter: i64,
    player: PlayerNo,
    part: Part,
    seen: Seen,
    tolerance_q: i32,
}

/// What a shot does to one player, all rays together.
#[derive(Debug, Clone, Copy)]
struct Tally {
    player: PlayerNo,
    part: Part,
    distance_q: i64,
    losses: Losses,
    left: Vitals,
}

/// What a shot comes to.
pub(super) struct Volley {
    pub(super) reason: Reason,
    /// In the order in which they were met.
    tallies: Vec<Tally>,
}

impl Volley {
    pub(super) const fn launched() -> Self {
        Self { reason: Reason::Launched, tallies: Vec::new() }
    }
}

/// How much a ray's end says about the shot: of several pellets, the best counts.
const fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::Hit => 4,
        Reason::TargetImmune => 3,
        Reason::Blocked => 2,
        Reason::OutOfRange => 1,
        _ => 0,
    }
}

impl Turn<'_> {
    /// Follows every ray of a shot. Nothing happens yet.
    pub(super) fn trace(
        &self,
        shot: &Shot,
        weapon: &Weapon,
        number: WeaponNo,
        evidence: &mut ShotEvidence,
    ) -> Volley {
        let mut volley = Volley { reason: Reason::Miss, tallies: Vec::new() };
        evidence.range_q = i64::from(weapon.range_q);
        for pellet in 0..weapon.pellets {
            let direction = self.deviate(shot, weapon.spread, pellet);
            let ray = Ray::new(shot.origin, direction);
            let reason = self.follow(shot, weapon, number, &ray, &mut volley, evidence);
            if rank(reason) > rank(volley.reason) {
                volley.reason = reason;
            }
        }
        evidence.damage =
            volley.tallies.iter().fold(0, |sum, tally| sum.saturating_add(tally.losses.amount()));
        evidence.killed = volley.tallies.iter().any(|tally| tally.left.health == 0);
        volley
    }

    /// Follows one ray and adds what it does.
    fn follow(
        &self,
        shot: &Shot,
        weapon: &Weapon,
        number: WeaponNo,
        ray: &Ray,
        volley: &mut Volley,
        evidence: &mut ShotEvidence,
    ) -> Reason {
        let (met, count) = self.meet(shot, ray, evidence.view_q8, weapon.pierce_players);
        let met = &met[..count];
        let Some(first) = met.first() else { return Reason::Miss };
        let range = i64::from(weapon.range_q);
        let last = met.last().map_or(0, |met| met.enter).min(range);
        let walls = self.content.geometry(self.session.created.map).walls(ray, last);
        let team = self.session.player(shot.player).map_or_else(Default::default, |p| p.team);
        let cause = Cause::Weapon(number);
        let source = Source { by: Some(shot.player), team, cause, shot_seq: shot.seq };
        if evidence.target.is_none() {
            self.describe(first, evidence);
        }
        let mut reason = Reason::Miss;
        for (behind, met) in met.iter().enumerate() {
            if met.enter > range {
                return if behind == 0 { Reason::OutOfRange } else { reason };
            }
            let Some(through) = pierced(&walls, met.enter, weapon) else {
                evidence.wall_q = evidence.wall_q.or(walls.first_q());
                return if behind == 0 { Reason::Blocked } else { reason };
            };
            if !self.may_hurt(&source, met.player) {
                reason = if rank(reason) < rank(Reason::TargetImmune) {
                    Reason::TargetImmune
                } else {
                    reason
                };
                continue;
            }
            let left_permille = (0..through + behind)
                .fold(1_000, |left, _| left * u64::from(weapon.pierce_permille) / 1_000);
            let factors =
                [falloff(&weapon.falloff, met.enter), part_factor(weapon, met.part), left_permille];
            let amount = self.amount(&source, met.player, weapon.damage, &factors);
            self.tally(volley, met, amount, weapon.armour_pierce_permille);
            if evidence.hits == 0 {
                self.describe(met, evidence);
            }
            evidence.hits = evidence.hits.saturating_add(1);
            reason = Reason::Hit;
        }
        reason
    }

    fn describe(&self, met: &Met, evidence: &mut ShotEvidence) {
        evidence.target = Some(met.player);
        evidence.target_then = met.seen.position;
        evidence.target_now =
            self.session.player(met.player).map_or_else(Default::default, |p| p.pose.position);
        evidence.tolerance_q = met.tolerance_q;
        evidence.part = met.part;
        evidence.distance_q = met.enter;
    }

    fn tally(&self, volley: &mut Volley, met: &Met, amount: u32, pierce_permille: u32) {
        let known = volley.tallies.iter().position(|tally| tally.player == met.player);
        let at = known.unwrap_or_else(|| {
            let Some(player) = self.session.player(met.player) else { return 0 };
            volley.tallies.push(Tally {
                player: met.player,
                part: met.part,
                distance_q: met.enter,
                losses: Losses::default(),
                left: Vitals::of(player),
            });
            volley.tallies.len() - 1
        });
        let Some(tally) = volley.tallies.get_mut(at) else { return };
        tally.losses = tally.losses.plus(tally.left.take(amount, met.part, pierce_permille));
        if met.part == Part::Head {
            tally.part = Part::Head;
        }
    }

    /// D7: the living players whom the ray meets where they were at the view time, nearest first, and as
    /// many as it can go through. Of equals, the lower seat is first.
    fn meet(
        &self,
        shot: &Shot,
        ray: &Ray,
        view_q8: u64,
        through: u8,
    ) -> ([Met; HITS_PER_RAY_MAX], usize) {
        let none = Met {
            enter: 0,
            player: PlayerNo(0),
            part: Part::Torso,
            seen: Seen::default(),
            tolerance_q: 0,
        };
        let mut met = [none; HITS_PER_RAY_MAX];
        let (mut count, most) = (0, (usize::from(through) + 1).min(HITS_PER_RAY_MAX));
        for (seat, number) in self.session.seats.iter().enumerate() {
            let Some(number) = number.filter(|number| *number != shot.player) else { continue };
            let Some(one) = self.meet_one(ray, view_q8, seat, number) else { continue };
            let at = met[..count].partition_point(|known| known.enter <= one.enter);
            if at < most {
                count = (count + 1).min(most);
                met.copy_within(at..count - 1, at + 1);
                met[at] = one;
            }
        }
        (met, count)
    }

    fn meet_one(&self, ray: &Ray, view_q8: u64, seat: usize, number: PlayerNo) -> Option<Met> {
        let player = self.session.player(number)?;
        let seen = self.session.history.at(view_q8, seat)?;
        // D10: dead now, or in another life than the one that was seen: the ray goes on.
        if !player.is_alive() || seen.track != player.track {
            return None;
        }
        let hull = self.content.body.hull(seen.stance);
        let rules = &self.session.created.rules;
        let most = i64::from(hull.radius_q) * i64::from(rules.damage.hull_slack_permille) / 1_000;
        let (middle, reach) = self.content.reach(seen.stance);
        if !ray.may_meet_sphere(seen.position.raised(middle), reach + most as i32) {
            return None;
        }
        let moved_q = seen.moved_q();
        let tolerance_q = (i64::from(rules.movement.rounding_q) + moved_q / 2).min(most) as i32;
        let mut nearest: Option<(i64, Part)> = None;
        for volume in &hull.volumes {
            if let Some(interval) = ray.volume(volume, seen.position, seen.yaw, tolerance_q)
                && interval.enter <= RAY_MAX_Q
                && nearest.is_none_or(|(enter, _)| interval.enter < enter)
            {
                nearest = Some((interval.enter, volume.part));
            }
        }
        let (enter, part) = nearest?;
        Some(Met { enter, player: number, part, seen, tolerance_q })
    }

    /// What a shot that has been fired does to those whom it met.
    pub(super) fn land(&mut self, shooter: PlayerNo, weapon: WeaponNo, seq: u32, volley: &Volley) {
        let team = self.session.player(shooter).map_or_else(Default::default, |p| p.team);
        let cause = Cause::Weapon(weapon);
        let source = Source { by: Some(shooter), team, cause, shot_seq: seq };
        let content = self.content;
        for tally in &volley.tallies {
            self.lose(&source, tally.player, tally.losses, tally.part, tally.distance_q);
            let effects = content.weapons.get(usize::from(weapon.0)).map(|data| &data.effects);
            for effect in effects.into_iter().flatten() {
                self.apply_effect(&source, tally.player, *effect);
            }
        }
    }

    /// A direction within the cone of the spread, from the session's seed: the shot's number and the
    /// pellet's choose it, so that a client cannot, and a replay finds it again.
    fn deviate(&self, shot: &Shot, spread: u16, pellet: u8) -> Direction {
        if spread == 0 {
            return shot.look.direction();
        }
        let chance = random::mix(&[
            self.session.created.seed,
            u64::from(shot.player.0),
            u64::from(shot.seq),
            u64::from(pellet),
        ]);
        let around = chance as u16;
        // The root of an even number is even over the disc.
        let share = (chance >> 32).isqrt();
        let away = (u64::from(spread) * share) >> 16;
        deviated(shot.look, around, away as u16)
    }
}

/// The direction `away` from a look, on the side `around` of it.
fn deviated(look: Look, around: u16, away: u16) -> Direction {
    let q30 = |value: i32| i64::from(value);
    let pitch = look.pitch as u16;
    let (cos_yaw, sin_yaw) = (q30(cos_q30(look.yaw)), q30(sin_q30(look.yaw)));
    let (cos_pitch, sin_pitch) = (q30(cos_q30(pitch)), q30(sin_q30(pitch)));
    let times = |a: i64, b: i64| (a * b) >> 30;
    let ahead = [times(cos_pitch, cos_yaw), times(cos_pitch, sin_yaw), sin_pitch];
    let right = [-sin_yaw, cos_yaw, 0];
    let up = [-times(sin_pitch, cos_yaw), -times(sin_pitch, sin_yaw), cos_pitch];
    let (keep, turn) = (q30(cos_q30(away)), q30(sin_q30(away)));
    let (side, rise) = (times(turn, q30(cos_q30(around))), times(turn, q30(sin_q30(around))));
    let part = |i: usize| {
        let sum = times(ahead[i], keep) + times(right[i], side) + times(up[i], rise);
        (sum + (1 << 13)) >> 14
    };
    Direction { x: part(0), y: part(1), z: part(2) }
}

/// D8: how many walls a ray goes through up to a distance; none if one of them stops it.
fn pierced(walls: &Walls, up_to_q: i64, weapon: &Weapon) -> Option<usize> {
    let mut held_up = 0_i64;
    let mut through = 0;
    for wall in walls.as_slice().iter().take_while(|wall| wall.enter < up_to_q) {
        if wall.density_permille == 0 {
            return None;
        }
        let thickness = wall.exit.min(up_to_q) - wall.enter;
        held_up += thickness * i64::from(wall.density_permille) / 1_000;
        through += 1;
        if held_up > i64::from(weapon.pierce_wall_q) || weapon.pierce_wall_q == 0 {
            return None;
        }
    }
    // There may be more than were looked at.
    (through < WALLS_MAX).then_some(through)
}

/// D9: the share of the damage at a distance, linear between the points.
fn falloff(points: &[FalloffPoint], distance_q: i64) -> u64 {
    let after = points.partition_point(|point| i64::from(point.distance_q) <= distance_q);
    match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
        (None, None) => 1_000,
        (None, Some(first)) => u64::from(first.permille),
        (Some(last), None) => u64::from(last.permille),
        (Some(low), Some(high)) => {
            let span = i64::from(high.distance_q) - i64::from(low.distance_q);
            let way = distance_q - i64::from(low.distance_q);
            let change = (i64::from(high.permille) - i64::from(low.permille)) * way;
            (i64::from(low.permille) + change.div_euclid(span)).max(0) as u64
        }
    }
}

const fn part_factor(weapon: &Weapon, part: Part) -> u64 {
    match part {
        Part::Torso => 1_000,
        Part::Head => weapon.head_permille as u64,
        Part::Limb => weapon.limb_permille as u64,
    }
}
