//! Cooldowns, charges, costs, casts, and effects that last.

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
const B: PlayerNo = PlayerNo(1);

fn evidence(verdict: &Verdict) -> ActionEvidence {
    let Evidence::Action(evidence) = verdict.evidence else { panic!("{verdict:?}") };
    evidence
}

fn pair() -> World {
    World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)])
}

#[test]
fn a_cooldown_says_when_it_is_over_and_is_over_then() {
    let mut world = pair();
    assert_eq!(world.act(A, SHIELD, None).reason, Reason::Accepted);
    world.ticks(7);
    let verdict = world.act(A, SHIELD, None);
    assert_eq!(verdict.reason, Reason::Cooldown);
    let ready_at = evidence(&verdict).ready_at;
    let error = verdict.error().unwrap();
    assert!(error.message.contains(&ready_at.to_string()), "{error}");
    world.ticks(ready_at.0 - world.session.tick.0 - 1);
    assert_eq!(world.act(A, SHIELD, None).reason, Reason::Cooldown);
    world.ticks(1);
    assert_eq!(world.act(A, SHIELD, None).reason, Reason::Accepted);
    world.check_fold();
}

#[test]
fn charges_come_back_one_after_the_other() {
    let mut world = pair();
    world.session.created.rules.player.energy_per_s = 1_000;
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Accepted);
    world.milliseconds(1_000);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Accepted);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Cooldown);
    // The first is back five seconds after the first use, the second five after that.
    world.milliseconds(4_000);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Accepted);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Cooldown);
    world.milliseconds(20_000);
    assert_eq!(evidence(&world.act(A, HASTE, None)).charges_left, 1);
    assert_eq!(evidence(&world.act(A, HASTE, None)).charges_left, 0);
    assert_eq!(world.act(A, HASTE, None).reason, Reason::Cooldown);
}

#[test]
fn energy_is_spent_and_grows_and_a_refusal_says_when_there_is_enough() {
    let mut world = pair();
    for action in [HEAL, SHIELD, HASTE, HASTE] {
        assert_eq!(world.act(A, action, None).reason, Reason::Accepted);
    }
    assert_eq!(world.act(A, BURN, Some(B)).reason, Reason::Accepted);
    world.milliseconds(500);
    let verdict = world.act(A, STUN, Some(B));
    assert_eq!(verdict.reason, Reason::Energy);
    assert_eq!((evidence(&verdict).energy, evidence(&verdict).energy_needed), (5, 20));
    let ready_at = evidence(&verdict).ready_at;
    world.ticks(ready_at.0 - world.session.tick.0);
    assert_eq!(world.act(A, STUN, Some(B)).reason, Reason::Accepted);
}

#[test]
fn a_price_in_health_never_kills() {
    let mut world = pair();
    assert_eq!(world.act(A, BARGAIN, None).reason, Reason::Accepted);
    assert_eq!(world.player(A).health, 70);
    world.milliseconds(5_000);
    world.session.players[0].health = 30;
    assert_eq!(world.act(A, BARGAIN, None).reason, Reason::Health);
    assert_eq!(world.player(A).health, 30);
}

#[test]
fn a_repeated_number_gets_the_first_answer() {
    let mut world = pair();
    let act = Act { player: A, seq: 1, action: SHIELD, target: None };
    assert_eq!(world.run(&Command::Act(act)).reason, Reason::Accepted);
    // Report W4: the answer was lost, the action is sent three times more.
    for _ in 0..3 {
        let (verdict, events) = world.events(&Command::Act(act));
        assert_eq!(
            (verdict.reason, evidence(&verdict).first),
            (Reason::Duplicate, Some(Reason::Accepted))
        );
        assert!(events.is_empty());
    }
    assert_eq!(world.player(A).effects.len(), 1);
}

#[test]
fn targets_have_to_be_fit_near_and_in_sight() {
    let mut content = content();
    content.actions[2].needs_line = true;
    let mut world = World::with(content, "tdm", "walls");
    world.start(&[at(5, 0, 0), at(15, 0, 0), at(5, 3, 0), at(80, 0, 0)]);
    assert_eq!(world.act(A, BURN, Some(PlayerNo(2))).reason, Reason::BadTarget);
    assert_eq!(world.act(A, BURN, Some(PlayerNo(9))).reason, Reason::BadTarget);
    assert_eq!(world.act(A, BURN, None).reason, Reason::BadTarget);
    assert_eq!(world.act(A, BURN, Some(PlayerNo(3))).reason, Reason::TargetTooFar);
    assert_eq!(world.act(A, BURN, Some(B)).reason, Reason::NoLine);
    assert_eq!(world.act(A, SHIELD, Some(B)).reason, Reason::BadTarget);
    assert_eq!(world.act(A, HEAL, Some(B)).reason, Reason::BadTarget);
    assert_eq!(world.act(A, HEAL, Some(PlayerNo(2))).reason, Reason::Accepted);
    assert_eq!(world.act(A, ActionNo(77), None).reason, Reason::UnknownAction);
    world.put(B, at(5, 8, 0));
    assert_eq!(world.act(A, BURN, Some(B)).reason, Reason::Accepted);
}

#[test]
fn damage_over_time_comes_in_its_periods_and_ends() {
    let mut world = pair();
    assert_eq!(world.act(A, BURN, Some(B)).reason, Reason::Accepted);
    assert_eq!(world.player(B).health, 95);
    world.milliseconds(1_000);
    assert_eq!(world.player(B).health, 85);
    world.milliseconds(10_000);
    // At once, and six times in three seconds.
    assert_eq!(world.player(B).health, 65);
    assert!(world.player(B).effects.is_empty());
    assert_eq!(world.player(A).stats.damage_dealt, 35);
    world.check_fold();
}

#[test]
fn damage_over_time_kills_once_and_for_its_author() {
    let mut world = pair();
    world.session.players[1].health = 12;
    world.act(A, BURN, Some(B));
    world.milliseconds(2_000);
    assert!(!world.player(B).is_alive());
    assert_eq!((world.player(A).stats.kills, world.player(B).stats.deaths), (1, 1));
    assert!(world.player(B).effects.is_empty());
}

#[test]
fn a_shield_takes_damage_first_and_is_gone() {
    let mut world = pair();
    world.act(B, SHIELD, None);
    world.milliseconds(200);
    world.shoot(A, B);
    assert_eq!((world.player(B).health, world.player(B).shield()), (100, 10));
    world.milliseconds(200);
    world.shoot(A, B);
    assert_eq!((world.player(B).health, world.player(B).shield()), (80, 0));
    assert!(world.player(B).effects.is_empty());
    assert!(
        world.log.iter().any(|record| matches!(
            record.event,
            Event::EffectEnded { why: EffectEnd::UsedUp, .. }
        ))
    );
}

#[test]
fn a_cast_takes_its_time() {
    let mut world = pair();
    assert_eq!(world.act(A, STUN, Some(B)).reason, Reason::Accepted);
    let verdict = world.act(A, HEAL, None);
    assert_eq!(verdict.reason, Reason::Casting);
    assert_eq!(evidence(&verdict).ready_at, world.player(A).cast.unwrap().until);
    assert!(!world.player(B).is_stunned());
    world.milliseconds(500);
    assert!(world.player(B).is_stunned());
    assert_eq!(world.act(B, HEAL, None).reason, Reason::Stunned);
    assert_eq!(world.shoot(B, A).reason, Reason::Stunned);
    assert_eq!(world.run(&Command::Reload { player: B }).reason, Reason::Stunned);
    world.milliseconds(1_100);
    assert!(!world.player(B).is_stunned());
    world.check_fold();
}

#[test]
fn a_cast_is_interrupted_by_damage_and_its_energy_comes_back() {
    let mut world = pair();
    world.act(B, STUN, Some(A));
    let before = world.player(B).energy_milli;
    world.milliseconds(200);
    world.shoot(A, B);
    assert!(world.player(B).cast.is_none());
    assert!(world.player(B).energy_milli >= before + 20_000);
    world.milliseconds(500);
    assert!(!world.player(A).is_stunned());
    assert_eq!(world.act(B, STUN, Some(A)).reason, Reason::Cooldown);
    world.check_fold();
}

#[test]
fn a_cast_is_interrupted_by_walking() {
    let mut world = pair();
    world.act(A, STUN, Some(B));
    for step in 1..=3 {
        world.ticks(1);
        let mut input = world.stand(A);
        input.position.x += 120;
        assert_eq!(world.run(&Command::Move(input)).reason, Reason::Accepted);
        assert_eq!(world.player(A).cast.is_some(), step < 3);
    }
}

#[test]
fn effects_refresh_keep_or_stack() {
    for (stacking, after) in [
        (Stacking::Refresh, 1),
        (Stacking::Keep, 1),
        (Stacking::Stack { max: 2 }, 2),
        (Stacking::Stack { max: 9 }, 3),
    ] {
        let mut content = content();
        content.effects[2].stacking = stacking;
        content.actions[2].cooldown_ms = 0;
        let mut world = World::with(content, "dm", "open");
        world.start(&[at(0, 0, 0), at(10, 0, 0)]);
        world.act(A, BURN, Some(B));
        let first = world.player(B).effects[0].ends_at;
        for _ in 0..2 {
            world.ticks(3);
            assert_eq!(world.act(A, BURN, Some(B)).reason, Reason::Accepted);
        }
        assert_eq!(world.player(B).effects.len(), after, "{stacking:?}");
        assert_eq!(
            world.player(B).effects[0].ends_at > first,
            matches!(stacking, Stacking::Refresh | Stacking::Stack { max: 2 })
        );
        world.milliseconds(8_000);
        assert!(world.player(B).effects.is_empty());
        world.check_fold();
    }
}

#[test]
fn effects_and_actions_follow_upon_each_other() {
    let mut content = content();
    content.effects[2].then = Some(EffectNo(3));
    content.actions[2].then = Some(ActionNo(3));
    let mut world = World::with(content, "dm", "open");
    world.start(&[at(0, 0, 0), at(10, 0, 0)]);
    world.act(A, BURN, Some(B));
    assert!(world.player(B).is_stunned());
    world.milliseconds(1_100);
    assert!(!world.player(B).is_stunned());
    world.milliseconds(2_000);
    assert!(world.player(B).is_stunned());
    world.check_fold();
}

#[test]
fn rage_doubles_what_is_dealt() {
    let mut world = pair();
    world.act(A, BARGAIN, None);
    world.milliseconds(100);
    world.shoot(A, B);
    assert_eq!(world.player(B).health, 40);
}

#[test]
fn heals_give_no_more_than_is_missing() {
    let mut world = pair();
    assert_eq!(world.act(A, HEAL, None).reason, Reason::Accepted);
    assert_eq!(world.player(A).stats.healing_taken, 0);
    world.milliseconds(5_000);
    world.session.players[0].health = 90;
    world.act(A, HEAL, None);
    assert_eq!((world.player(A).health, world.player(A).stats.healing_taken), (100, 10));
}

#[test]
fn the_dead_and_the_absent_do_nothing() {
    let mut world = pair();
    world.session.players[0].health = 1;
    world.shoot(B, A);
    assert_eq!(world.act(A, HEAL, None).reason, Reason::Dead);
    world.run(&Command::Leave { player: A, why: LeaveReason::Left });
    assert_eq!(world.act(A, HEAL, None).reason, Reason::NotPlaying);
}

/// Report D5: what would take more than there is takes all of it.
#[test]
fn factors_beyond_bounds_saturate() {
    let mut content = content();
    content.effects[5].kind = EffectKind::DamageDealt { permille: limits::FACTOR_PERMILLE_MAX };
    content.weapons[0].damage = limits::POINTS_MAX;
    content.weapons[0].head_permille = limits::FACTOR_PERMILLE_MAX;
    let mut world = World::with(content, "dm", "open");
    world.start(&[at(0, 0, 0), at(10, 0, 0)]);
    world.act(A, BARGAIN, None);
    world.milliseconds(100);
    let shot = world.aim(A, B, 1_715);
    world.look(A, shot.look);
    assert_eq!(world.run(&Command::Shoot(shot)).reason, Reason::Hit);
    assert_eq!(world.player(B).stats.damage_taken, 1_000_000_000);
    world.check_fold();
}
