//! A log judged again.

use super::fixture::*;
use crate::combat::*;

fn played() -> World {
    let mut world = World::started("armoured", "open", &[at(0, 0, 0), at(8, 0, 0), at(0, 9, 0)]);
    for round in 0..10 {
        world.milliseconds(200);
        world.shoot(PlayerNo(0), PlayerNo(1));
        world.act(PlayerNo(2), ActionNo(round % 6), Some(PlayerNo(0)));
    }
    world.run(&Command::Leave { player: PlayerNo(2), why: LeaveReason::Left });
    world.join("p2");
    world.milliseconds(4_000);
    world.run(&Command::End { empty: false });
    world
}

#[test]
fn an_honest_log_is_judged_the_same() {
    let world = played();
    let mut session = Session::begin(&world.log[0]).unwrap();
    assert_eq!(session.verify(&world.content, &world.log[1..]), Ok(world.log.len() - 1));
    assert_eq!(session, world.session);
}

/// Report T5: the first record and field that differ are named, and both states are there to compare.
#[test]
fn report_t5_a_forged_log_is_told_by_its_first_forged_field() {
    let mut world = played();
    let at = world.log.iter().position(|record| matches!(record.event, Event::Damaged(_))).unwrap();
    if let Event::Damaged(damaged) = &mut world.log[at].event {
        damaged.health += 5;
        damaged.amount += 5;
    }
    let mut session = Session::begin(&world.log[0]).unwrap();
    let difference = session.verify(&world.content, &world.log[1..]).unwrap_err();
    assert_eq!(difference.number, at as u64 + 1);
    assert!(difference.field.ends_with("amount"), "{difference:?}");
    assert_eq!((difference.recorded.as_str(), difference.judged.as_str()), ("35", "30"));
    let forged = Session::fold(&world.log).unwrap();
    let (field, one, two) = forged.difference(&world.session).unwrap();
    assert_eq!(field, "players[0].stats.damage_dealt", "{one} {two}");
}

/// Report P5: an old log is judged by the rules that it names, or not at all.
#[test]
fn report_p5_a_log_of_other_content_is_refused() {
    let world = played();
    let mut other = content();
    other.weapons[0].damage = 31;
    let other = CheckedContent::new(other).unwrap();
    let mut session = Session::begin(&world.log[0]).unwrap();
    let difference = session.verify(&other, &world.log[1..]).unwrap_err();
    assert_eq!((difference.field.as_str(), difference.number), ("content", 1));
    assert_eq!(difference.judged, other.hash().to_string());
}

#[test]
fn a_consequence_without_its_cause_is_no_log() {
    let world = played();
    let at = world.log.iter().position(|record| matches!(record.event, Event::Damaged(_))).unwrap();
    let mut session = Session::fold(&world.log[..at - 1]).unwrap();
    let difference = session.verify(&world.content, &world.log[at..]).unwrap_err();
    assert_eq!(difference.judged, "no command");
}
