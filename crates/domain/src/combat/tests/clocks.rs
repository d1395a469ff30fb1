//! View times, rewinding, ticks: what a shooter saw, and what a server may believe of it.

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
const B: PlayerNo = PlayerNo(1);

fn shot(verdict: &Verdict) -> ShotEvidence {
    let Evidence::Shot(evidence) = verdict.evidence else { panic!("{verdict:?}") };
    evidence
}

/// B walks away from y = 0 to the side, tick by tick, 0.2 m each; A stands.
fn walking() -> (World, Vec<Vec3>) {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    let mut places = vec![Vec3::ZERO; world.session.tick.0 as usize + 1];
    for _ in 0..30 {
        let mut input = world.stand(B);
        input.position.y += 200;
        world.at_us += 1;
        input.client_us += 1;
        assert_eq!(world.run(&Command::Move(input)).reason, Reason::Accepted);
        world.ticks(1);
        places.push(world.player(B).pose.position);
    }
    (world, places)
}

/// A shot of A at where B was at a tick.
fn shot_at(world: &mut World, place: Vec3, view: u32) -> Shot {
    let mut shot = world.aim(A, B, 1_200);
    shot.look = look_at(shot.origin, place.raised(1_200));
    shot.view_q8 = u64::from(view) << 8;
    shot.acked = Tick(view);
    world.look(A, shot.look);
    shot.client_us = 1_000_000 + world.at_us;
    shot
}

#[test]
fn a_target_is_hit_where_the_shooter_saw_him() {
    let (mut world, places) = walking();
    let now = world.session.tick.0;
    for back in [0, 2, 5, 7] {
        let view = now - back;
        let place = places[view as usize];
        let input = shot_at(&mut world, place, view);
        // Each view is older than the one before: another shooter, as far as the view goes.
        world.session.players[0].view_q8 = 0;
        world.session.players[0].weapons[0].next_us = 0;
        let verdict = world.run(&Command::Shoot(input));
        assert_eq!(verdict.reason, Reason::Hit, "{back} {verdict:?}");
        let evidence = shot(&verdict);
        assert_eq!(evidence.target_then, place);
        assert_eq!(evidence.target_now, places[now as usize]);
    }
}

/// Report C1: he who sees the world 400 ms late has it taken back by 250 ms only.
#[test]
fn report_c1_the_rewind_stops_at_a_quarter_of_a_second() {
    let (mut world, places) = walking();
    let now = world.session.tick.0;
    let view = now - 12;
    let input = shot_at(&mut world, places[view as usize], view);
    let verdict = world.run(&Command::Shoot(input));
    let evidence = shot(&verdict);
    assert_eq!(evidence.view_q8, u64::from(now - 8) << 8);
    assert_eq!(evidence.view_claimed_q8, u64::from(view) << 8);
    assert_ne!(verdict.reason, Reason::Hit);
}

/// Report C2: a claim outside what the server's own files say decides nothing.
#[test]
fn report_c2_the_ticks_that_the_server_filed_decide() {
    let (mut world, places) = walking();
    let now = world.session.tick.0;
    // From the future: what had not been written to him he did not see.
    let mut early = shot_at(&mut world, places[now as usize], now);
    early.written = Tick(now - 3);
    let verdict = world.run(&Command::Shoot(early));
    assert_eq!(verdict.reason, Reason::ViewTime);
    assert_eq!(shot(&verdict).view_max_q8, u64::from(now - 3) << 8);
    // 200 ms late, although he had acknowledged the newest: it counts from 100 ms before that.
    let mut late = shot_at(&mut world, places[now as usize - 6], now - 6);
    late.acked = Tick(now);
    late.seq += 1;
    let evidence = shot(&world.run(&Command::Shoot(late)));
    assert_eq!(evidence.view_q8, u64::from(now - 3) << 8);
}

#[test]
fn a_view_never_goes_back() {
    let (mut world, places) = walking();
    let now = world.session.tick.0;
    let first = shot_at(&mut world, places[now as usize - 1], now - 1);
    assert_eq!(world.run(&Command::Shoot(first)).reason, Reason::Hit);
    world.ticks(4);
    let second = shot_at(&mut world, places[now as usize - 3], now - 3);
    let evidence = shot(&world.run(&Command::Shoot(second)));
    assert_eq!(evidence.view_q8, u64::from(now - 1) << 8);
}

/// Report C3: what the shooter saw counts, whatever the victim's delay is. The victim has none here: there is
/// no number of his in the judgement.
#[test]
fn report_c3_the_victims_delay_is_nothing_to_the_shot() {
    let judge = |delay_us: u64| {
        let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
        world.milliseconds(500);
        let mut places = vec![Vec3::ZERO; world.session.tick.0 as usize + 1];
        for _ in 0..30 {
            let mut input = world.stand(B);
            input.position.y += 200;
            world.at_us += 1;
            input.client_us = input.client_us + 1 - delay_us;
            assert_eq!(world.run(&Command::Move(input)).reason, Reason::Accepted);
            world.ticks(1);
            places.push(world.player(B).pose.position);
        }
        let view = world.session.tick.0 - 6;
        let input = shot_at(&mut world, places[view as usize], view);
        let verdict = world.run(&Command::Shoot(input));
        assert_eq!(shot(&verdict).target_then, places[view as usize]);
        verdict.reason
    };
    assert_eq!((judge(0), judge(200_000)), (Reason::Hit, Reason::Hit));
}

/// Report C4: who crouched then and stands now is hit as he crouched.
#[test]
fn report_c4_the_hit_box_is_that_of_the_time() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    let crouch = Move { stance: Stance::Crouching, ..world.stand(B) };
    world.at_us += 10;
    assert_eq!(
        world.run(&Command::Move(Move { client_us: crouch.client_us + 5, ..crouch })).reason,
        Reason::Accepted
    );
    world.ticks(3);
    let crouched = world.session.tick.0;
    world.at_us += 10;
    let stand =
        Move { stance: Stance::Standing, client_us: 1_000_000 + world.at_us, ..world.stand(B) };
    assert_eq!(world.run(&Command::Move(stand)).reason, Reason::Accepted);
    world.ticks(3);
    let standing = world.session.tick.0;
    // At 1.7 m there is a head now, and there was nothing then.
    let head = |world: &mut World, view: u32| {
        let mut input = world.aim(A, B, 1_715);
        input.view_q8 = u64::from(view) << 8;
        input.acked = Tick(view);
        world.look(A, input.look);
        input.client_us = 1_000_000 + world.at_us;
        world.run(&Command::Shoot(input))
    };
    assert_eq!(head(&mut world, crouched).reason, Reason::Miss);
    world.ticks(4);
    let verdict = head(&mut world, standing + 4);
    assert_eq!((verdict.reason, shot(&verdict).part), (Reason::Hit, Part::Head));
}

#[test]
fn nobody_is_hit_across_a_teleport_or_a_life() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    world.ticks(3);
    let view = world.session.tick.0;
    world.put(B, at(10, 30, 0));
    world.ticks(2);
    let input = shot_at(&mut world, at(10, 0, 0), view);
    assert_eq!(world.run(&Command::Shoot(input)).reason, Reason::Miss);
}

/// Report C6: a session ends before its ticks do, and no sum of a tick and a duration leaves 32 bits.
#[test]
fn report_c6_a_session_ends_before_its_ticks_do() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    let mut session = world.session.clone();
    session.tick = Tick(Tick::MAX.0 - 3);
    world.session = session;
    world.ticks(1);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Accepted);
    assert_eq!(world.run(&Command::Reload { player: A }).reason, Reason::NothingToReload);
    assert_eq!(world.session.status, Status::Active);
    world.ticks(2);
    assert_eq!(world.session.status, Status::Ended);
    assert_eq!(world.session.end.map(|end| end.why), Some(EndReason::TickLimit));
    let day = Rules { tick_hz: 128, ..Rules::default() }.ticks(limits::DURATION_MS_MAX);
    assert!(Tick::MAX.0.checked_add(day).is_some_and(|sum| sum < u32::MAX / 2));
}
