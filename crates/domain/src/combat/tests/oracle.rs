//! A second judge who knows nothing of trees, rings and roots: plain lists, 128-bit integers, and search
//! instead of formulas. The two have to agree on every shot.

mod line;

use line::{Big, Line, dot, minus, wide};

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

/// Where everybody was, tick by tick, as the test itself moved them: nothing is taken from the session.
struct Witness {
    /// `[player]`: (tick, where, of which life).
    seen: Vec<Vec<(u32, Pose, u32)>>,
    /// `[player]`: how many lives and teleports so far.
    tracks: Vec<u32>,
    alive: Vec<bool>,
    views: Vec<u64>,
}

/// What the second judge says.
#[derive(Debug, PartialEq, Eq)]
struct Opinion {
    reason: Reason,
    view_q8: u64,
    target: Option<PlayerNo>,
    target_then: Vec3,
    part: Part,
    distance_q: i64,
    hits: u8,
    damage: u32,
}

impl Witness {
    /// Where a player was at a view time, and how far he went in that tick.
    fn was(&self, player: usize, view_q8: u64) -> Option<(Pose, u32, Big)> {
        let tick = (view_q8 / 256) as u32;
        let find = |tick| self.seen[player].iter().find(|(at, ..)| *at == tick);
        let (_, pose, track) = *find(tick)?;
        let Some((_, next, _)) = find(tick + 1).filter(|(_, _, other)| *other == track) else {
            return Some((pose, track, 0));
        };
        let part = Big::from(view_q8 % 256);
        let (from, to) = (wide(pose.position), wide(next.position));
        let way = minus(to, from);
        let at = |i: usize| (from[i] + (way[i] * part).div_euclid(256)) as i32;
        let square = dot(way, way);
        let moved = (0..).find(|length: &Big| length * length >= square).unwrap();
        let turn = i32::from(next.look.yaw.wrapping_sub(pose.look.yaw) as i16) * part as i32;
        let yaw = pose.look.yaw.wrapping_add(turn.div_euclid(256) as u16);
        let look = Look { yaw, ..pose.look };
        Some((Pose { position: Vec3::new(at(0), at(1), at(2)), look, ..pose }, track, moved))
    }

    fn judge(&self, world: &World, shot: &Shot) -> Opinion {
        let content = &world.content;
        let rules = &world.session.created.rules;
        let now = world.session.tick.0;
        let shooter = shot.player.index();
        let weapon = &content.weapons[usize::from(shot.slot)];
        // Thirty ticks a second: 250 ms are 8 of them, 100 ms are 3.
        let oldest = now.saturating_sub(rules.history_rows() as u32 - 1);
        let low =
            [shot.acked.0.min(shot.written.0).saturating_sub(3), now.saturating_sub(8), oldest];
        let low = low
            .into_iter()
            .map(|tick| u64::from(tick) * 256)
            .max()
            .unwrap()
            .max(self.views[shooter]);
        let view_q8 = shot.view_q8.max(low);
        let mut opinion = Opinion {
            reason: Reason::Miss,
            view_q8,
            target: None,
            target_then: Vec3::ZERO,
            part: Part::Torso,
            distance_q: 0,
            hits: 0,
            damage: 0,
        };
        if shot.view_q8 > u64::from(shot.written.0) * 256 {
            opinion.reason = Reason::ViewTime;
            return opinion;
        }
        let line = Line::new(shot.origin, shot.look.direction());
        let mut met: Vec<(Big, usize, Part, Vec3)> = Vec::new();
        for player in
            (0..self.seen.len()).filter(|player| *player != shooter && self.alive[*player])
        {
            let Some((pose, track, moved)) = self.was(player, view_q8) else { continue };
            if track != self.tracks[player] {
                continue;
            }
            let hull = content.body.hull(pose.stance);
            let grown = (2 + moved / 2).min(Big::from(hull.radius_q) / 8);
            let spans = hull.volumes.iter().enumerate().filter_map(|(index, volume)| {
                let (enter, _) = line.volume(volume, pose.position, pose.look.yaw, grown)?;
                Some((enter, index, volume.part))
            });
            if let Some((enter, _, part)) = spans.min_by_key(|(enter, index, _)| (*enter, *index)) {
                met.push((enter, player, part, pose.position));
            }
        }
        met.sort_by_key(|(enter, player, ..)| (*enter, *player));
        met.truncate(usize::from(weapon.pierce_players) + 1);
        let solids = &content.maps[usize::from(world.session.created.map.0)].solids;
        let walls: Vec<(Big, Big, u32)> = solids
            .iter()
            .filter_map(|solid| {
                let (enter, exit) = line.solid(&solid.shape)?;
                Some((enter, exit, solid.density_permille))
            })
            .collect();
        follow(weapon, &met, &walls, opinion)
    }
}

fn follow(
    weapon: &Weapon,
    met: &[(Big, usize, Part, Vec3)],
    walls: &[(Big, Big, u32)],
    mut opinion: Opinion,
) -> Opinion {
    let describe = |opinion: &mut Opinion,
                    (enter, player, part, then): (Big, usize, Part, Vec3)| {
        opinion.target = Some(PlayerNo(player as u16));
        opinion.target_then = then;
        opinion.part = part;
        opinion.distance_q = enter as i64;
    };
    for (behind, one) in met.iter().enumerate() {
        let (enter, _, part, _) = *one;
        if behind == 0 {
            describe(&mut opinion, *one);
        }
        let last = |opinion: Opinion, reason| match behind {
            0 => Opinion { reason, ..opinion },
            _ => opinion,
        };
        if enter > Big::from(weapon.range_q) {
            return last(opinion, Reason::OutOfRange);
        }
        let before: Vec<_> = walls.iter().filter(|(wall, ..)| *wall < enter).collect();
        let held: Big = before
            .iter()
            .map(|(from, to, density)| ((*to).min(enter) - from) * Big::from(*density) / 1_000)
            .sum();
        let opaque = before.iter().any(|(.., density)| *density == 0);
        let none = weapon.pierce_wall_q == 0 && !before.is_empty();
        if opaque || none || held > Big::from(weapon.pierce_wall_q) {
            return last(opinion, Reason::Blocked);
        }
        let mut left = 1_000;
        for _ in 0..behind + before.len() {
            left = left * Big::from(weapon.pierce_permille) / 1_000;
        }
        let share = share_at(&weapon.falloff, enter);
        let of_part = match part {
            Part::Torso => 1_000,
            Part::Head => Big::from(weapon.head_permille),
            Part::Limb => Big::from(weapon.limb_permille),
        };
        let amount = Big::from(weapon.damage) * share * of_part * left / 1_000_000_000;
        opinion.reason = Reason::Hit;
        opinion.hits += 1;
        opinion.damage += amount as u32;
    }
    opinion
}

fn share_at(points: &[FalloffPoint], distance: Big) -> Big {
    let first = points.first().map_or(1_000, |point| Big::from(point.permille));
    points.windows(2).fold(first, |share, pair| {
        let (x0, y0) = (Big::from(pair[0].distance_q), Big::from(pair[0].permille));
        let (x1, y1) = (Big::from(pair[1].distance_q), Big::from(pair[1].permille));
        match distance {
            _ if distance < x0 => share,
            _ if distance >= x1 => y1,
            _ => y0 + ((y1 - y0) * (distance - x0)).div_euclid(x1 - x0),
        }
    })
}

/// Plays with random moves, teleports, stances, deaths and lives, and has each of so many shots judged
/// twice. The number of shots with each reason.
fn compare(seed: u64, shots: u64) -> std::collections::BTreeMap<&'static str, u64> {
    const PLAYERS: usize = 8;
    let mut content = content();
    content.rules.movement.turn_per_s = 1 << 24;
    content.rules.damage.aim_slack = 32_768;
    content.modes[0].respawn_ms = 300;
    content.weapons[0].range_q = 40 * 1024;
    let mut world = World::with(content, "dm", "walls");
    let mut dice = Dice { seed, count: 0 };
    let places: Vec<Vec3> = (0..PLAYERS).map(|_| dice.place()).collect();
    world.start(&places);
    let mut witness = Witness {
        seen: vec![Vec::new(); PLAYERS],
        tracks: vec![1; PLAYERS],
        alive: vec![true; PLAYERS],
        views: vec![0; PLAYERS],
    };
    // What happened before the witness came is as if it were another life.
    world.ticks(12);
    witness.tracks.fill(2);
    (0..PLAYERS).for_each(|player| world.put(PlayerNo(player as u16), places[player]));
    let mut counts = std::collections::BTreeMap::new();
    let mut done = 0;
    while done < shots {
        stir(&mut world, &mut witness, &mut dice);
        for _ in 0..6 {
            let Some(shot) = dice.shot(&mut world, &witness) else { continue };
            let expected = witness.judge(&world, &shot);
            let verdict = world.run(&Command::Shoot(shot));
            compare_one(&expected, &verdict, &shot);
            if verdict.reason.is_accepted() {
                witness.views[shot.player.index()] = expected.view_q8;
            }
            for player in 0..PLAYERS {
                witness.alive[player] = world.session.players[player].is_alive();
            }
            *counts.entry(verdict.reason.name()).or_insert(0) += 1;
            done += 1;
        }
        if world.log.len() > 10_000 {
            world.log.clear();
        }
    }
    counts
}

fn compare_one(expected: &Opinion, verdict: &Verdict, shot: &Shot) {
    let Evidence::Shot(evidence) = verdict.evidence else { panic!("{verdict:?}") };
    let found = Opinion {
        reason: verdict.reason,
        view_q8: evidence.view_q8,
        target: evidence.target,
        target_then: evidence.target_then,
        part: evidence.part,
        distance_q: evidence.distance_q,
        hits: evidence.hits,
        damage: evidence.damage,
    };
    assert_eq!(*expected, found, "{shot:?}");
}

/// A tick in which everybody walks, and some are put elsewhere or live again.
fn stir(world: &mut World, witness: &mut Witness, dice: &mut Dice) {
    for player in 0..witness.alive.len() {
        let number = PlayerNo(player as u16);
        if !witness.alive[player] {
            continue;
        }
        if dice.below(40) == 0 {
            witness.tracks[player] += 1;
            let place = dice.place();
            world.put(number, place);
            continue;
        }
        world.at_us += 10;
        let mut input = world.stand(number);
        input.look = Look::new(dice.below(65_536) as u16, dice.below(8_000) as i16 - 4_000);
        input.stance = Stance::ALL[dice.below(3) as usize];
        let way = Look::new(dice.below(65_536) as u16, 0).direction();
        input.position = way.point(input.position, dice.below(200) as i64);
        world.run(&Command::Move(input));
    }
    world.ticks(1);
    for player in 0..witness.alive.len() {
        if !witness.alive[player] && world.session.players[player].is_alive() {
            witness.alive[player] = true;
            witness.tracks[player] += 1;
            // The history of this tick was made before the new life.
            world.at_us += 1;
            let echo = world.stand(PlayerNo(player as u16));
            world.run(&Command::Move(echo));
            continue;
        }
        if witness.alive[player] {
            let pose = world.session.players[player].pose;
            witness.seen[player].push((world.session.tick.0, pose, witness.tracks[player]));
        }
        let seen = &mut witness.seen[player];
        let extra = seen.len().saturating_sub(16);
        seen.drain(..extra);
    }
}

struct Dice {
    seed: u64,
    count: u64,
}

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.count += 1;
        random::mix(&[self.seed, self.count]) % end
    }

    fn place(&mut self) -> Vec3 {
        Vec3::new(
            self.below(60 * 1024) as i32 - 25 * 1024,
            self.below(40 * 1024) as i32 - 20 * 1024,
            if self.below(6) == 0 { self.below(2_048) as i32 } else { 0 },
        )
    }

    /// A shot that could leave the weapon: what it meets is the question.
    fn shot(&mut self, world: &mut World, witness: &Witness) -> Option<Shot> {
        let players = witness.alive.len() as u64;
        let (from, to) = (self.below(players) as usize, self.below(players) as usize);
        if from == to || !witness.alive[from] {
            return None;
        }
        let slot = if self.below(2) == 0 { RIFLE } else { SNIPER };
        let now = world.session.tick.0;
        let acked = now.saturating_sub(self.below(12) as u32);
        let written = now.saturating_sub(self.below(3) as u32).max(acked);
        let back = self.below(12 * 256).min(u64::from(now) * 256);
        let shooter = &mut world.session.players[from];
        shooter.slot = slot;
        shooter.weapons[usize::from(slot)].rounds = 5;
        shooter.weapons[usize::from(slot)].next_us = 0;
        world.at_us += 5;
        let mut shot = world.aim(PlayerNo(from as u16), PlayerNo(to as u16), 0);
        shot.client_us = 1_000_000 + world.at_us;
        shot.acked = Tick(acked);
        shot.written = Tick(written);
        shot.view_q8 = u64::from(now) * 256 - back;
        let then = witness.was(to, shot.view_q8.max(u64::from(now.saturating_sub(8)) * 256));
        let feet = then.map_or(world.session.players[to].pose.position, |(pose, ..)| pose.position);
        let target = feet.raised(self.below(1_900) as i32);
        shot.look = rough_look(shot.origin, target, self.below(96) as i32 - 48);
        Some(shot)
    }
}

/// As [`look_at`], a little beside it.
fn rough_look(from: Vec3, to: Vec3, off: i32) -> Look {
    let look = look_at(from, to);
    Look { yaw: look.yaw.wrapping_add(off as u16), ..look }
}

#[test]
fn two_judges_agree_on_fifty_thousand_shots() {
    let counts = compare(1, 50_000);
    for reason in ["HIT", "MISS", "BLOCKED", "OUT_OF_RANGE", "VIEW_TIME"] {
        assert!(counts.get(reason).is_some_and(|count| *count > 50), "{reason}: {counts:?}");
    }
}

/// `cargo test --release -p gamemesh-domain -- --ignored a_million_shots`: about a minute.
#[test]
#[ignore = "a million shots take a minute even when optimised"]
fn two_judges_agree_on_a_million_shots() {
    for seed in 0..10 {
        println!("{:?}", compare(seed, 100_000));
    }
}
