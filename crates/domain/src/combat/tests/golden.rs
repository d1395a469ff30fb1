//! One scripted session, and the hash that it has in every build on every machine.

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

/// Three players, all weapons, all actions, deaths, a grenade, a team, a leaver.
fn script() -> World {
    let mut world =
        World::started("armoured", "walls", &[at(0, -12, 0), at(7, -12, 0), at(15, -11, 0)]);
    let numbers = [PlayerNo(0), PlayerNo(1), PlayerNo(2)];
    for round in 0..16_u32 {
        for player in numbers {
            let target = numbers[(player.index() + 1 + round as usize % 2) % 3];
            let slot = (round % 4) as u8;
            world.run(&Command::Switch { player, slot });
            world.milliseconds(700);
            let shot = world.aim(player, target, 900 + 100 * (round as i32 % 8));
            world.look(player, shot.look);
            let shot = Shot { client_us: 1_000_000 + world.at_us, slot, ..shot };
            world.run(&Command::Shoot(shot));
            world.act(player, ActionNo((round % 6) as u16), (round % 3 != 1).then_some(target));
            for step in 1..=5 {
                world.at_us += 33_000;
                let mut input = world.stand(player);
                let way = Look::new((round * 5_000 + step * 300) as u16, 0).direction();
                input.position = way.point(input.position, 150 + i64::from(round) * 60);
                input.stance = Stance::ALL[(round % 3) as usize];
                world.run(&Command::Move(input));
            }
            world.run(&Command::Reload { player });
        }
        world.milliseconds(1_500);
    }
    world.run(&Command::Leave { player: PlayerNo(1), why: LeaveReason::Left });
    world.milliseconds(3_000);
    world.run(&Command::End { empty: false });
    world
}

/// Reports T1 to T3: integers only, ordered maps only, no overflow that a build would treat in another way.
/// If this changes with the rules, `KEYFRAME_VERSION` has to change with it.
#[test]
fn report_t1_the_scripted_session_has_its_hash() {
    let world = script();
    let (one, two) = (script().session.state_hash(), world.session.state_hash());
    assert_eq!(one, two);
    let deaths: u32 = world.session.players.iter().map(|player| player.stats.deaths).sum();
    let corrections: u32 =
        world.session.players.iter().map(|player| player.stats.corrections).sum();
    assert!(deaths >= 2 && corrections >= 1, "{deaths} deaths, {corrections} corrections");
    world.check_fold();
    assert_eq!(two.to_string(), GOLDEN);
}

const GOLDEN: &str = "32195177466d71c7168e75942479f777b40c5299d4839363933382176c7447db";

/// The canonical content of the tests, too.
#[test]
fn the_content_has_its_hash() {
    assert_eq!(content().hash().to_string(), GOLDEN_CONTENT);
}

const GOLDEN_CONTENT: &str = "b343268b7fb9a3741433b63c71a54e92ef3132cf0695ca6d1f697a107efd7b4f";
