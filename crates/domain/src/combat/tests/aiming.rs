//! D6: who turns like a human is believed, and who turns like a machine is not.
//!
//! A hand goes from one rest to the next with the least jerk (Flash and Hogan 1985): after a part `u` of its time
//! it has gone `10u³ − 15u⁴ + 6u⁵` of its way, at most 1.875 times as fast as on average. Half a turn takes
//! practised players 200 ms and more.

use super::fixture::*;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
const B: PlayerNo = PlayerNo(1);
const HALF_TURN: u64 = 32_768;

/// How much of a flick is done, of 1,000,000.
const fn gone(at_us: u64, flick_us: u64) -> u64 {
    let u = if at_us >= flick_us { 1_000 } else { at_us * 1_000 / flick_us } as i64;
    let u3 = u * u * u;
    ((10 * u3 * 1_000_000 - 15 * u3 * u * 1_000 + 6 * u3 * u * u) / 1_000_000_000) as u64
}

/// A stands and looks along +x; the weapon is ready.
fn duel() -> World {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(-10, 0, 0)]);
    world.milliseconds(1_300);
    world.look(A, Look::new(0, 0));
    world
}

/// A shot where a flick is after a time, its turns reported so often before.
fn shot_in_a_flick(angle: u64, flick_us: u64, period_us: u64, at_us: u64) -> Verdict {
    let mut world = duel();
    let yaw = |at_us| (angle * gone(at_us, flick_us) / 1_000_000) as u16;
    let start_us = world.at_us;
    let mut reported_us = period_us;
    while reported_us <= at_us {
        world.at_us = start_us + reported_us - 1;
        world.look(A, Look::new(yaw(reported_us), 0));
        reported_us += period_us;
    }
    world.at_us = start_us + at_us;
    let look = Look::new(yaw(at_us), 0);
    let aimed = world.aim(A, B, 1_200);
    world.run(&Command::Shoot(Shot { look, ..aimed }))
}

/// Every flick from a sixteenth to half a turn, at its end and at every moment of it, with reports at 64, 30
/// and 20 Hz.
#[test]
fn honest_flicks_are_never_refused() {
    let mut shots = 0;
    for angle in [HALF_TURN / 8, HALF_TURN / 2, HALF_TURN] {
        for flick_us in [200_000, 300_000, 500_000] {
            for period_us in [15_625, 33_333, 50_000] {
                for at_us in (1..=flick_us / 11_000).map(|part| part * 11_000).chain([flick_us]) {
                    let verdict = shot_in_a_flick(angle, flick_us, period_us, at_us);
                    let what = (angle, flick_us, period_us, at_us);
                    assert!(
                        matches!(verdict.reason, Reason::Hit | Reason::Miss),
                        "{what:?} {verdict:?}"
                    );
                    shots += 1;
                }
            }
        }
    }
    assert!(shots > 500, "{shots}");
    // The one who turned around for it hit.
    assert_eq!(shot_in_a_flick(HALF_TURN, 200_000, 33_333, 200_000).reason, Reason::Hit);
}

/// A bot that looks elsewhere and puts its shots on whoever is in sight, without turning: what it could not have
/// turned to since its last report is refused, and costs nobody anything.
#[test]
fn a_bot_that_snaps_is_refused() {
    for (angle, is_refused) in [(4_000, false), (8_000, false), (13_000, true), (HALF_TURN, true)] {
        let mut world = duel();
        let aimed = world.aim(A, B, 1_200);
        // He reports that he looks away, as he did all the time, and a tick later he shoots.
        let away = aimed.look.yaw.wrapping_sub(angle as u16);
        world.look(A, Look::new(away, 0));
        world.at_us += 33_333;
        let verdict =
            world.run(&Command::Shoot(Shot { client_us: 1_000_000 + world.at_us, ..aimed }));
        let expected = if is_refused { Reason::Aim } else { Reason::Hit };
        assert_eq!(verdict.reason, expected, "{angle}");
        let Evidence::Shot(evidence) = verdict.evidence else { panic!("{verdict:?}") };
        assert!(evidence.aim_max < 16_384, "{evidence:?}");
        assert_eq!(world.player(B).health == 100, is_refused);
    }
}

/// Who has not said anything of himself since he appeared may look anywhere.
#[test]
fn the_first_shot_of_a_life_needs_no_report() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(-10, 0, 0)]);
    world.milliseconds(1_300);
    world.put(A, at(0, 0, 0));
    world.session.players[0].motion.moved_us = None;
    let aimed = world.aim(A, B, 1_200);
    assert_eq!(world.run(&Command::Shoot(aimed)).reason, Reason::Hit);
}
