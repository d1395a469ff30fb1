//! D1 to D10, deaths, and what bad shots get.

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
const B: PlayerNo = PlayerNo(1);
const C: PlayerNo = PlayerNo(2);

fn shot(verdict: &Verdict) -> ShotEvidence {
    let Evidence::Shot(evidence) = verdict.evidence else { panic!("{verdict:?}") };
    evidence
}

fn duel() -> World {
    World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)])
}

/// Aims, turns, and waits until the weapon is ready.
fn ready(world: &mut World, from: PlayerNo, to: PlayerNo, height_q: i32) -> Shot {
    world.milliseconds(1_300);
    let mut shot = world.aim(from, to, height_q);
    world.look(from, shot.look);
    shot.client_us = 1_000_000 + world.at_us;
    shot
}

fn fire(world: &mut World, from: PlayerNo, to: PlayerNo, height_q: i32) -> Verdict {
    let shot = ready(world, from, to, height_q);
    world.run(&Command::Shoot(shot))
}

fn hold(world: &mut World, player: PlayerNo, slot: u8) {
    assert_eq!(world.run(&Command::Switch { player, slot }).reason, Reason::Accepted);
    world.milliseconds(600);
}

#[test]
fn d1_a_repeated_number_gets_the_first_answer_and_nothing_else_happens() {
    let mut world = duel();
    let input = ready(&mut world, A, B, 1_200);
    let first = world.run(&Command::Shoot(input));
    assert_eq!(first.reason, Reason::Hit);
    let (health, rounds) = (world.player(B).health, world.player(A).weapons[0].rounds);
    for _ in 0..3 {
        world.ticks(10);
        let (again, events) = world.events(&Command::Shoot(input));
        assert_eq!(again.reason, Reason::Duplicate);
        assert_eq!(shot(&again).first, Some(Reason::Hit));
        assert_eq!(shot(&again).damage, shot(&first).damage);
        assert_eq!(shot(&again).target, Some(B));
        assert!(events.is_empty());
    }
    assert_eq!((health, rounds), (world.player(B).health, world.player(A).weapons[0].rounds));
    // Another shot under the same number is the same shot.
    let other = Shot { look: Look::new(9_000, 0), ..input };
    assert_eq!(shot(&world.run(&Command::Shoot(other))).first, Some(Reason::Hit));
}

#[test]
fn d1_a_refusal_is_remembered_too() {
    let mut world = duel();
    let input = ready(&mut world, A, B, 1_200);
    let wrong = Shot { slot: 2, ..input };
    assert_eq!(world.run(&Command::Shoot(wrong)).reason, Reason::NotEquipped);
    let again = world.run(&Command::Shoot(input));
    assert_eq!((again.reason, shot(&again).first), (Reason::Duplicate, Some(Reason::NotEquipped)));
}

#[test]
fn d1_forged_and_skipped_numbers() {
    let mut world = duel();
    let input = ready(&mut world, A, B, 1_200);
    for seq in [0, 66, 1_000, u32::MAX] {
        let verdict = world.run(&Command::Shoot(Shot { seq, ..input }));
        assert_eq!(verdict.reason, Reason::Sequence, "{seq}");
    }
    // A number left out is lost, not an error.
    assert_eq!(world.run(&Command::Shoot(Shot { seq: 5, ..input })).reason, Reason::Hit);
    let number = world.session.version;
    for seq in 6..=75 {
        world.run(&Command::Shoot(Shot { seq, ..input }));
    }
    assert_eq!(world.session.version, number + 70);
    assert_eq!(world.run(&Command::Shoot(Shot { seq: 5, ..input })).reason, Reason::Stale);
}

#[test]
fn d2_state_is_checked_in_order() {
    let mut world = duel();
    let input = ready(&mut world, A, B, 1_200);
    assert_eq!(world.run(&Command::Switch { player: A, slot: 1 }).reason, Reason::Accepted);
    let verdict = world.run(&Command::Shoot(Shot { slot: 1, ..input }));
    assert_eq!(verdict.reason, Reason::Equipping);
    world.milliseconds(600);
    for _ in 0..6 {
        let verdict = fire(&mut world, A, B, 1_200);
        assert!(verdict.reason.is_accepted(), "{verdict:?}");
        world.session.players[1].health = 100;
    }
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::MagazineEmpty);
    assert_eq!(world.run(&Command::Reload { player: A }).reason, Reason::Accepted);
    assert_eq!(world.run(&Command::Reload { player: A }).reason, Reason::AlreadyDone);
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::Reloading);
    world.milliseconds(2_000);
    let weapon = world.player(A).weapons[1];
    assert_eq!((weapon.rounds, weapon.reserve), (6, 18));
    assert_eq!(world.run(&Command::Reload { player: A }).reason, Reason::NothingToReload);
    assert!(fire(&mut world, A, B, 1_200).reason.is_accepted());
}

#[test]
fn d3_the_rate_is_measured_on_the_clients_clock() {
    let mut world = duel();
    world.session.players[1].health = 1_000_000;
    let input = ready(&mut world, A, B, 1_200);
    // 600 a minute are 100 ms; ten shots that the network has bunched are all accepted.
    for shot in 0..10_u32 {
        let client_us = input.client_us - 900_000 + u64::from(shot) * 100_000;
        let input = Shot { seq: input.seq + shot, client_us, ..input };
        world.look(A, input.look);
        assert_eq!(world.run(&Command::Shoot(input)).reason, Reason::Hit, "{shot}");
    }
    // Faster than that, the slack of one tick is used up at once.
    world.milliseconds(500);
    let accepted = (0..20_u32)
        .filter(|shot| {
            world.at_us += 50_000;
            let client_us = 1_000_000 + world.at_us;
            let input = Shot { seq: input.seq + 10 + shot, client_us, ..input };
            world.run(&Command::Shoot(input)).reason == Reason::Hit
        })
        .count();
    assert!((10..=11).contains(&accepted), "{accepted}");
}

#[test]
fn d4_a_shot_from_ten_seconds_ago_is_refused() {
    let mut world = duel();
    world.milliseconds(12_000);
    let input = ready(&mut world, A, B, 1_200);
    let old = Shot { view_q8: input.view_q8 - (300 << 8), ..input };
    assert_eq!(world.run(&Command::Shoot(old)).reason, Reason::ViewTime);
    let late = Shot { seq: input.seq + 1, client_us: input.client_us - 10_000_000, ..input };
    assert_eq!(world.run(&Command::Shoot(late)).reason, Reason::ViewTime);
    let future = Shot { seq: input.seq + 2, client_us: input.client_us + 10_000_000, ..input };
    assert_eq!(world.run(&Command::Shoot(future)).reason, Reason::ShotTime);
}

#[test]
fn d5_the_muzzle_is_at_the_eye_and_on_this_side_of_the_wall() {
    let mut world = duel();
    let mut input = ready(&mut world, A, B, 1_200);
    input.origin.y += 2_000;
    let verdict = world.run(&Command::Shoot(input));
    assert_eq!(verdict.reason, Reason::Origin);
    assert!(shot(&verdict).origin_distance_q > shot(&verdict).origin_max_q);
    let mut world = World::started("dm", "walls", &[Vec3::new(9 * 1024 - 240, 0, 0), at(20, 0, 0)]);
    let mut input = ready(&mut world, A, B, 1_200);
    input.origin.x += 500;
    assert_eq!(world.run(&Command::Shoot(input)).reason, Reason::Origin);
}

#[test]
fn d6_a_shot_points_where_its_shooter_looks() {
    let mut content = content();
    content.rules.movement.turn_per_s = 0;
    let mut world = World::with(content, "dm", "open");
    world.start(&[at(0, 0, 0), at(10, 0, 0)]);
    let input = ready(&mut world, A, B, 1_200);
    let wide = Shot { look: Look { yaw: input.look.yaw.wrapping_add(60), ..input.look }, ..input };
    assert_eq!(world.run(&Command::Shoot(wide)).reason, Reason::Aim);
    assert_eq!(
        world.run(&Command::Shoot(Shot { seq: input.seq + 1, ..input })).reason,
        Reason::Hit
    );
}

#[test]
fn d7_parts_of_a_body() {
    for (height_q, part, damage) in
        [(1_715, Part::Head, 120), (1_200, Part::Torso, 30), (500, Part::Limb, 22)]
    {
        let mut world = duel();
        let verdict = fire(&mut world, A, B, height_q);
        let evidence = shot(&verdict);
        assert_eq!((verdict.reason, evidence.part, evidence.damage), (Reason::Hit, part, damage));
    }
    let mut world = duel();
    assert_eq!(fire(&mut world, A, B, 2_100).reason, Reason::Miss);
}

#[test]
fn d8_walls_stop_what_cannot_go_through() {
    // A wall of 1 m at 9 m.
    for (slot, reason, damage) in [(RIFLE, Reason::Blocked, 0), (SNIPER, Reason::Hit, 40)] {
        let mut world = World::started("dm", "walls", &[at(0, 0, 0), at(15, 0, 0)]);
        if slot != RIFLE {
            hold(&mut world, A, slot);
        }
        let verdict = fire(&mut world, A, B, 1_200);
        assert_eq!((verdict.reason, shot(&verdict).damage), (reason, damage), "{slot}");
        if reason == Reason::Blocked {
            assert!(shot(&verdict).wall_q.is_some_and(|at| (9_216..9_230).contains(&at)));
        }
    }
    // 10 m of the convex body are too much for anything.
    let mut world = World::started("dm", "walls", &[at(15, 0, 0), at(35, 0, 0)]);
    hold(&mut world, A, SNIPER);
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::Blocked);
}

#[test]
fn d8_a_ray_goes_through_players() {
    let places = [at(0, 0, 0), at(10, 0, 0), at(12, 0, 0), at(14, 0, 0), at(16, 0, 0)];
    let mut world = World::started("dm", "open", &places);
    hold(&mut world, A, SNIPER);
    fire(&mut world, A, B, 1_300);
    let health: Vec<u32> = world.session.players.iter().map(|player| player.health).collect();
    assert_eq!(health, [100, 20, 60, 80, 100]);
}

#[test]
fn d9_range_and_falloff_are_the_servers() {
    for (metres, damage) in [(10, 30), (40, 22), (60, 15), (90, 15)] {
        let mut world = World::started("dm", "open", &[at(-50, 0, 0), at(metres - 50, 0, 0)]);
        let verdict = fire(&mut world, A, B, 1_200);
        assert_eq!(shot(&verdict).damage, damage, "{metres} {verdict:?}");
    }
    let mut world = World::started("dm", "open", &[at(-99, -60, 0), at(99, 60, 0)]);
    let verdict = fire(&mut world, A, B, 1_200);
    assert_eq!(verdict.reason, Reason::OutOfRange);
    assert_eq!(world.player(B).health, 100);
}

#[test]
fn d10_team_mates_stop_a_shot_and_are_not_hurt() {
    let mut world = World::started("tdm", "open", &[at(0, 0, 0), at(20, 0, 0), at(10, 0, 0)]);
    assert_eq!(world.player(A).team, world.player(C).team);
    let verdict = fire(&mut world, A, B, 1_200);
    assert_eq!(verdict.reason, Reason::TargetImmune);
    assert_eq!((world.player(B).health, world.player(C).health), (100, 100));
    world.put(C, at(10, 10, 0));
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::Hit);
}

#[test]
fn d10_the_protected_are_not_hurt() {
    let mut content = content();
    content.rules.player.spawn_protection_ms = 5_000;
    let mut world = World::with(content, "dm", "open");
    world.start(&[at(0, 0, 0), at(10, 0, 0)]);
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::TargetImmune);
    world.milliseconds(5_000);
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::Hit);
}

#[test]
fn armour_takes_its_share_until_it_is_gone() {
    let mut world = World::started("armoured", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    fire(&mut world, A, B, 1_200);
    assert_eq!((world.player(B).health, world.player(B).armour.points), (85, 35));
    hold(&mut world, A, SNIPER);
    // Half of its share is passed by.
    fire(&mut world, A, B, 1_200);
    assert_eq!((world.player(B).health, world.player(B).armour.points), (25, 15));
    hold(&mut world, A, RIFLE);
    // The head is not covered.
    let verdict = fire(&mut world, A, B, 1_715);
    assert!(shot(&verdict).killed);
    let Event::Damaged(damaged) =
        &world.log.iter().rev().find(|r| matches!(r.event, Event::Damaged(_))).unwrap().event
    else {
        unreachable!()
    };
    assert_eq!((damaged.armour, damaged.health, damaged.overkill), (0, 25, 95));
}

/// Report D5: more mitigation than damage leaves nothing, and not 65,535.
#[test]
fn report_d5_mitigation_beyond_the_damage_leaves_zero() {
    let mut world = duel();
    world.session.players[1].armour =
        Worn { points: 1_000_000, absorb_permille: 1_000, covers_head: true };
    world.act(B, SHIELD, None);
    for _ in 0..3 {
        fire(&mut world, A, B, 1_200);
    }
    assert_eq!(world.player(B).health, 100);
    // 40 by the shield if it still runs, the rest by the armour; not a point is made up.
    let lost = 1_000_000 - world.player(B).armour.points;
    assert_eq!(u64::from(lost) + world.player(B).stats.shield_lost, 90);
}

#[test]
fn the_dead_shoot_nothing_and_are_hit_by_nothing() {
    let mut world = duel();
    world.session.players[1].health = 1;
    assert_eq!(fire(&mut world, A, B, 1_200).reason, Reason::Hit);
    assert_eq!(world.player(B).stats.deaths, 1);
    let verdict = fire(&mut world, A, B, 1_200);
    assert_eq!(verdict.reason, Reason::Miss);
    let back = ready(&mut world, B, A, 1_200);
    assert_eq!(world.run(&Command::Shoot(back)).reason, Reason::Dead);
    assert_eq!(world.run(&Command::Move(world.stand(B))).reason, Reason::Dead);
    assert_eq!(world.run(&Command::Respawn { player: B }).reason, Reason::CannotRespawn);
    world.milliseconds(3_000);
    assert!(world.player(B).is_alive());
    assert_eq!(world.player(B).health, 100);
}

/// Report D1, first half: ten points of health and two lethal hits in one tick are one death and one point.
#[test]
fn report_d1_two_lethal_hits_in_a_tick_are_one_death() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0), at(10, 20, 0)]);
    world.session.players[1].health = 10;
    let first = ready(&mut world, A, B, 1_200);
    let second = world.aim(C, B, 1_200);
    world.look(C, second.look);
    let second = Shot { client_us: 1_000_000 + world.at_us, ..second };
    assert_eq!(world.run(&Command::Shoot(first)).reason, Reason::Hit);
    assert_eq!(world.run(&Command::Shoot(second)).reason, Reason::Miss);
    let deaths = world.log.iter().filter(|r| matches!(r.event, Event::Died(_))).count();
    assert_eq!(deaths, 1);
    assert_eq!((world.player(A).score, world.player(C).score), (1, 0));
    assert_eq!(world.player(B).stats.deaths, 1);
}

/// Report D1, second half: of two lethal shots that cross, both count, in either order of arrival, if each was
/// fired before its shooter's death was decided.
#[test]
fn report_d1_two_lethal_shots_that_cross_kill_both_in_either_order() {
    for order in [[A, B], [B, A]] {
        let mut world = duel();
        world.session.players[0].health = 5;
        world.session.players[1].health = 5;
        let a = ready(&mut world, A, B, 1_200);
        let b = world.aim(B, A, 1_200);
        world.look(B, b.look);
        let b = Shot { client_us: 1_000_000 + world.at_us, ..b };
        for shooter in order {
            world.at_us += 20_000;
            let verdict = world.run(&Command::Shoot(if shooter == A { a } else { b }));
            assert_eq!(verdict.reason, Reason::Hit, "{order:?}");
        }
        assert_eq!((world.player(A).score, world.player(B).score), (1, 1));
        assert!(!world.player(A).is_alive() && !world.player(B).is_alive());
    }
}

#[test]
fn a_shot_fired_in_knowledge_of_the_death_does_not_count() {
    let mut world = duel();
    world.session.players[0].health = 5;
    world.session.players[1].health = 5;
    let a = ready(&mut world, A, B, 1_200);
    let b = world.aim(B, A, 1_200);
    world.look(B, b.look);
    assert_eq!(world.run(&Command::Shoot(a)).reason, Reason::Hit);
    world.ticks(1);
    let b = Shot { client_us: 1_000_000 + world.at_us, acked: world.session.tick, ..b };
    assert_eq!(world.run(&Command::Shoot(b)).reason, Reason::Dead);
}

/// Report D3: a grenade flies, its owner leaves, it kills: the kill is his.
#[test]
fn report_d3_a_grenade_outlives_its_owners_presence() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    hold(&mut world, A, LAUNCHER);
    let verdict = fire(&mut world, A, B, 1_400);
    assert_eq!(verdict.reason, Reason::Launched);
    assert_eq!(world.session.projectiles.len(), 1);
    assert_eq!(
        world.run(&Command::Leave { player: A, why: LeaveReason::Left }).reason,
        Reason::Accepted
    );
    world.milliseconds(2_100);
    assert!(world.session.projectiles.is_empty());
    let died = world.log.iter().find_map(|record| match &record.event {
        Event::Died(died) => Some(died),
        _ => None,
    });
    assert_eq!(died.unwrap().killer, Some(A));
    assert_eq!(world.player(A).stats.kills, 1);
    world.check_fold();
}

#[test]
fn an_explosion_hurts_by_distance_and_not_through_walls() {
    let mut world = World::started("dm", "walls", &[at(0, 0, 0), at(8, 0, 0), at(11, 0, 0)]);
    hold(&mut world, A, LAUNCHER);
    fire(&mut world, A, B, 1_200);
    world.milliseconds(2_100);
    // B stands before the wall, C behind it.
    assert!(!world.player(B).is_alive() || world.player(B).health < 100);
    assert_eq!(world.player(C).health, 100);
    world.check_fold();
}

#[test]
fn assists_go_to_those_who_had_part_in_it() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0), at(20, 0, 0)]);
    fire(&mut world, C, B, 1_200);
    fire(&mut world, A, B, 1_200);
    fire(&mut world, A, B, 1_200);
    fire(&mut world, A, B, 1_200);
    assert!(!world.player(B).is_alive());
    assert_eq!((world.player(A).stats.kills, world.player(C).stats.assists), (1, 1));
    assert_eq!(world.player(A).stats.assists, 0);
}

#[test]
fn pellets_are_spread_by_the_seed_and_by_nothing_else() {
    let play = |seed| {
        let mut world = World::new("dm", "open");
        world.session.created.seed = seed;
        world.start(&[at(0, 0, 0), at(12, 0, 0)]);
        hold(&mut world, A, SHOTGUN);
        let verdict = fire(&mut world, A, B, 1_200);
        (shot(&verdict).hits, shot(&verdict).damage)
    };
    assert_eq!(play(1), play(1));
    let different: std::collections::BTreeSet<_> = (0..12).map(play).collect();
    assert!(different.len() > 3, "{different:?}");
}

/// Damage by those who cannot: strangers, spectators, players of other sessions.
#[test]
fn shots_of_those_who_do_not_play() {
    let mut world = duel();
    let input = ready(&mut world, A, B, 1_200);
    let stranger = Shot { player: PlayerNo(7), ..input };
    assert_eq!(world.run(&Command::Shoot(stranger)).reason, Reason::UnknownPlayer);
    world.run(&Command::Leave { player: A, why: LeaveReason::Left });
    assert_eq!(world.run(&Command::Shoot(input)).reason, Reason::NotPlaying);
    let odd = Shot { origin: Vec3::new(i32::MIN, 0, 0), ..input };
    world.run(&Command::Join { player_id: "p0".to_owned(), team: None });
    assert_eq!(world.run(&Command::Shoot(odd)).reason, Reason::Malformed);
    // Leaving and coming back is no new life at once.
    assert_eq!(world.run(&Command::Shoot(input)).reason, Reason::Dead);
    world.milliseconds(3_000);
    assert!(world.player(A).is_alive());
}

#[test]
fn everything_judged_folds_to_the_same() {
    let mut world = World::started(
        "armoured",
        "walls",
        &[at(0, 0, 0), at(8, 2, 0), at(15, 0, 0), at(-30, 3, 0)],
    );
    for slot in [SHOTGUN, SNIPER, LAUNCHER, RIFLE] {
        hold(&mut world, A, slot);
        for target in [1, 2, 3] {
            fire(&mut world, A, PlayerNo(target), 1_300);
        }
    }
    world.milliseconds(4_000);
    world.check_fold();
}
