//! Laws that hold whatever happens: sessions of arbitrary commands.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

/// One thing that happens in an arbitrary session.
#[derive(Debug, Clone)]
enum Step {
    Ticks(u32),
    /// A run in a direction, for some reports.
    Run {
        player: u16,
        yaw: u16,
        reports: u8,
        stance: u8,
    },
    /// A shot at a player, aimed well or badly, with the weapon in the hands.
    Shoot {
        player: u16,
        target: u16,
        off: i16,
        height_q: i32,
        back: u8,
    },
    Repeat {
        player: u16,
    },
    Reload(u16),
    Switch(u16, u8),
    Act {
        player: u16,
        action: u16,
        target: u16,
    },
    Put {
        player: u16,
        x: i32,
        y: i32,
    },
    Leave(u16),
    Join(u16),
    Odd(u16, i32),
    Pause,
}

fn step() -> impl Strategy<Value = Step> {
    let player = || 0..5_u16;
    prop_oneof![
        6 => (1..40_u32).prop_map(Step::Ticks),
        4 => (player(), any::<u16>(), 1..12_u8, 0..3_u8)
            .prop_map(|(player, yaw, reports, stance)| Step::Run { player, yaw, reports, stance }),
        12 => (player(), player(), -60..60_i16, 200..1_800_i32, 0..14_u8).prop_map(
            |(player, target, off, height_q, back)| Step::Shoot { player, target, off, height_q, back }
        ),
        1 => player().prop_map(|player| Step::Repeat { player }),
        2 => player().prop_map(Step::Reload),
        2 => (player(), 0..5_u8).prop_map(|(player, slot)| Step::Switch(player, slot)),
        4 => (player(), 0..7_u16, player())
            .prop_map(|(player, action, target)| Step::Act { player, action, target }),
        2 => (player(), -15..15_i32, -15..15_i32).prop_map(|(player, x, y)| Step::Put { player, x, y }),
        1 => player().prop_map(Step::Leave),
        2 => player().prop_map(Step::Join),
        1 => (player(), any::<i32>()).prop_map(|(player, x)| Step::Odd(player, x)),
        1 => Just(Step::Pause),
    ]
}

fn play(mode: &str, map: &str, steps: &[Step]) -> World {
    let mut content = content();
    content.rules.player.energy_per_s = 100;
    content.modes.iter_mut().for_each(|mode| mode.respawn_ms = 500);
    let mut world = World::with(content, mode, map);
    world.start(&[at(0, 0, 0), at(8, 0, 0), at(0, 8, 0), at(-8, 3, 0), at(15, 1, 0)]);
    let mut last: Vec<Option<Shot>> = vec![None; 5];
    for step in steps {
        take(&mut world, &mut last, step);
        check_players(&world);
    }
    world
}

/// A verdict that does not matter.
fn quiet(_: Verdict) {}

fn take(world: &mut World, last: &mut [Option<Shot>], step: &Step) {
    let no = PlayerNo;
    match step.clone() {
        Step::Ticks(count) => world.ticks(count),
        Step::Run { player, yaw, reports, stance } => {
            for _ in 0..reports {
                world.at_us += 20_000;
                let mut input = world.stand(no(player));
                input.look = Look::new(yaw, 0);
                input.stance = Stance::ALL[usize::from(stance)];
                let way = input.look.direction().point(Vec3::ZERO, 140);
                input.position = input.position.plus(way);
                world.run(&Command::Move(input));
            }
        }
        Step::Shoot { player, target, off, height_q, back } => {
            let mut shot = world.aim(no(player), no(target), height_q);
            shot.look.yaw = shot.look.yaw.wrapping_add(off as u16);
            shot.view_q8 = shot.view_q8.saturating_sub(u64::from(back) << 7);
            shot.acked = Tick(world.session.tick.0.saturating_sub(u32::from(back)));
            world.look(no(player), shot.look);
            world.at_us += 150_000;
            shot.client_us = 1_000_000 + world.at_us;
            world.run(&Command::Shoot(shot));
            last[usize::from(player)] = Some(shot);
        }
        Step::Repeat { player } => {
            // Only what was judged has an answer that can be repeated.
            let judged = |shot: &Shot| {
                let state = world.session.player(no(player)).unwrap();
                matches!(state.shots.classify(shot.seq), Numbered::Repeated(_))
            };
            if let Some(shot) = last[usize::from(player)].filter(judged) {
                let version = world.session.version;
                let verdict = world.run(&Command::Shoot(shot));
                assert_eq!(world.session.version, version, "{verdict:?}");
            }
        }
        Step::Reload(player) => quiet(world.run(&Command::Reload { player: no(player) })),
        Step::Switch(player, slot) => {
            quiet(world.run(&Command::Switch { player: no(player), slot }));
        }
        Step::Act { player, action, target } => {
            world.act(no(player), ActionNo(action), Some(no(target)));
        }
        Step::Put { player, x, y } => {
            let (position, look) = (at(x, y, 0), Look::default());
            world.run(&Command::Teleport { player: no(player), position, look });
            world.at_us += 10;
            let echo = world.stand(no(player));
            world.run(&Command::Move(echo));
        }
        Step::Leave(player) => {
            quiet(world.run(&Command::Leave { player: no(player), why: LeaveReason::Left }));
        }
        Step::Join(player) => {
            world.run(&Command::Join { player_id: format!("p{player}"), team: None });
        }
        Step::Odd(player, x) => {
            let mut input = world.stand(no(player));
            input.position = Vec3::new(x, x.wrapping_mul(7), x.wrapping_mul(13));
            world.run(&Command::Move(input));
        }
        Step::Pause => {
            world.run(&Command::Pause);
            world.at_us += 1_000_000;
            world.run(&Command::Resume);
        }
    }
}

fn check_players(world: &World) {
    let rules = &world.session.created.rules;
    for player in &world.session.players {
        assert!(player.health <= rules.player.health_max);
        assert_eq!(player.is_alive(), player.health > 0, "{player:?}");
        assert!(player.weapons.iter().all(|weapon| weapon.rounds <= weapon.magazine));
        assert!(player.is_alive() || player.effects.is_empty());
    }
}

/// What can be counted from the log alone, beside what the session counts.
fn check_counts(world: &World) {
    let (mut deaths, mut kills, mut suicides) = (0_u32, 0_u32, 0_u32);
    let mut fired = [0_u64; 5];
    let mut alive_since = [false; 5];
    let (mut dealt, mut killed, mut health) = ([0_u64; 5], [0_u32; 5], [0_u32; 5]);
    for record in &world.log {
        match &record.event {
            Event::Damaged(damaged) => {
                let parts = damaged.shield + damaged.armour + damaged.health + damaged.overkill;
                assert_eq!(damaged.amount, parts);
                assert!(alive_since[damaged.player.index()], "the dead are not damaged");
                if let Some(by) = damaged.by.filter(|by| *by != damaged.player) {
                    dealt[by.index()] += u64::from(parts);
                }
                health[damaged.player.index()] -= damaged.health;
            }
            Event::Healed { player, amount, .. } => health[player.index()] += amount,
            Event::Died(died) => {
                assert!(
                    std::mem::take(&mut alive_since[died.player.index()]),
                    "a death without a life"
                );
                assert_eq!(health[died.player.index()], 0, "a death with health left");
                if let Some(killer) = died.killer {
                    killed[killer.index()] += 1;
                }
                deaths += 1;
                kills += u32::from(died.killer.is_some());
                suicides += u32::from(died.killer.is_none());
            }
            Event::Spawned(spawned) => {
                alive_since[spawned.player.index()] = true;
                health[spawned.player.index()] = world.session.created.rules.player.health_max;
            }
            Event::Left { player, .. } => alive_since[player.index()] = false,
            Event::Fired(shot) => fired[shot.input.player.index()] += 1,
            _ => {}
        }
    }
    let sum = |of: fn(&PlayerStats) -> u64| -> u64 {
        world.session.players.iter().map(|player| of(&player.stats)).sum()
    };
    assert_eq!(sum(|stats| u64::from(stats.deaths)), u64::from(deaths));
    assert_eq!(sum(|stats| u64::from(stats.kills)), u64::from(kills));
    assert_eq!(sum(|stats| u64::from(stats.suicides)), u64::from(suicides));
    let taken = sum(|s| s.damage_taken);
    let lost = sum(|s| s.health_lost + s.armour_lost + s.shield_lost + s.overkill_taken);
    assert_eq!(taken, lost);
    for (number, player) in world.session.players.iter().enumerate() {
        // What was dealt is what others lost, point for point; nothing else makes or takes health.
        assert_eq!(player.stats.damage_dealt, dealt[number], "damage dealt");
        assert_eq!(player.stats.kills, killed[number], "kills");
        if player.is_alive() {
            assert_eq!(player.health, health[number], "health");
        }
    }
    for (player, fired) in world.session.players.iter().zip(fired) {
        let carried: u64 = player
            .weapons
            .iter()
            .map(|weapon| u64::from(weapon.rounds) + u64::from(weapon.reserve))
            .sum();
        let stats = &player.stats;
        assert_eq!(u64::from(stats.shots), fired);
        assert_eq!(stats.rounds_given, fired + carried + stats.rounds_dropped, "ammunition");
        assert!(stats.hits <= stats.shots && stats.head_hits <= stats.hits);
    }
    let numbers: Vec<u64> = world.log.iter().map(|record| record.number).collect();
    assert!(numbers.iter().copied().eq(1..=world.log.len() as u64));
}

/// The log folded from its start and from a keyframe after every so many records is what was live.
fn check_folds(world: &World) {
    let live = world.session.state_hash();
    let mut session = Session::begin(&world.log[0]).unwrap();
    for (index, record) in world.log.iter().enumerate().skip(1) {
        session.apply(record).unwrap();
        if index % 37 == 0 {
            let mut from_keyframe = Session::from_keyframe(&session.keyframe()).unwrap();
            assert_eq!(from_keyframe, session);
            world.log[index + 1..].iter().for_each(|record| from_keyframe.apply(record).unwrap());
            assert_eq!(from_keyframe.state_hash(), live);
        }
    }
    assert_eq!(session, world.session);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_sessions_keep_the_laws(
        steps in vec(step(), 1..120),
        mode in proptest::sample::select(vec!["dm", "tdm", "rounds", "armoured"]),
        map in proptest::sample::select(vec!["open", "walls"]),
    ) {
        let world = play(mode, map, &steps);
        check_counts(&world);
        check_folds(&world);
        for record in &world.log {
            let bytes = record.encode();
            prop_assert_eq!(&Record::decode(&bytes).unwrap(), record);
        }
    }

    /// Judging the same command on a copy gives the same verdict and the same records: what is judged again
    /// from a log comes to the same.
    #[test]
    fn judging_again_is_judging_the_same(steps in vec(step(), 1..60)) {
        let one = play("dm", "walls", &steps);
        let two = play("dm", "walls", &steps);
        prop_assert_eq!(&one.log, &two.log);
        prop_assert_eq!(one.session.state_hash(), two.session.state_hash());
    }
}

/// Report T6: a test of determinism in which nobody is hit shows nothing. These sessions have hits, deaths,
/// refusals, corrections and explosions.
#[test]
fn report_t6_arbitrary_sessions_are_not_idle() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::new();
    let mut reasons = std::collections::BTreeMap::new();
    for mode in ["dm", "tdm", "rounds", "armoured"] {
        for _ in 0..10 {
            let steps = vec(step(), 100..160).new_tree(&mut runner).unwrap().current();
            for record in play(mode, "walls", &steps).log {
                *kinds.entry(record.event.kind()).or_insert(0) += 1;
                let verdict = match &record.event {
                    Event::Fired(fired) => fired.verdict.reason,
                    Event::ShotRefused(refused) => refused.verdict.reason,
                    Event::Corrected(corrected) => corrected.verdict.reason,
                    Event::ActionRefused(refused) => refused.verdict.reason,
                    _ => continue,
                };
                *reasons.entry(verdict.name()).or_insert(0) += 1;
            }
        }
    }
    for kind in [
        "damaged",
        "player_died",
        "exploded",
        "effect_pulsed",
        "reload_ended",
        "cast_done",
        "move_corrected",
        "player_spawned",
    ] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 3), "{kind}: {kinds:?}");
    }
    for reason in ["HIT", "MISS", "BLOCKED", "MAGAZINE_EMPTY", "COOLDOWN"] {
        assert!(reasons.get(reason).is_some_and(|count| *count > 3), "{reason}: {reasons:?}");
    }
}

/// Bytes from anywhere are refused or are a state; nothing panics and nothing is allocated beyond them.
#[test]
fn keyframes_and_events_from_anywhere_are_read_or_refused() {
    let steps =
        [Step::Shoot { player: 0, target: 1, off: 0, height_q: 1_200, back: 1 }, Step::Ticks(20)];
    let world = play("armoured", "walls", &steps);
    let good = world.session.keyframe();
    for length in 0..good.len() {
        assert!(Session::from_keyframe(&good[..length]).is_err());
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(Session::from_keyframe(&longer).is_err());
    for round in 0..20_000_u64 {
        let chance = random::mix(&[round, 3]);
        let mut bytes = good.clone();
        for change in 0..=(chance % 3) {
            let chance = random::mix(&[chance, change]);
            let at = (chance >> 8) as usize % bytes.len();
            bytes[at] = chance as u8;
        }
        if let Ok(session) = Session::from_keyframe(&bytes) {
            // One value has one form.
            assert_eq!(session.keyframe(), bytes);
        }
    }
    for round in 0..50_000_u64 {
        let length = random::mix(&[round]) as usize % 60;
        let bytes: Vec<u8> = (0..length as u64).map(|at| random::mix(&[round, at]) as u8).collect();
        if let Ok(event) = Event::decode(&bytes) {
            assert_eq!(event.encode(), bytes);
        }
        let _ = Event::decode_known(&bytes);
    }
}

/// Report P6: what a later version has added is passed over or named.
#[test]
fn report_p6_unknown_events_and_fields_are_passed_over() {
    let known = Event::Ticked { tick: Tick(9) };
    let mut bytes = known.encode();
    bytes.extend([7, 7]);
    assert_eq!(Event::decode_known(&bytes).unwrap(), Some(known));
    assert!(Event::decode(&bytes).is_err());
    assert_eq!(Event::decode_known(&[200, 1, 5, 5]).unwrap(), None);
    let error = Event::decode(&[200, 1, 5, 5]).unwrap_err();
    assert!(error.to_string().contains("unknown variant of Event"), "{error}");
}

/// Report P5: a keyframe of other rules is refused by its version, never guessed at.
#[test]
fn report_p5_another_version_is_refused() {
    let world = World::started("dm", "open", &[at(0, 0, 0)]);
    let mut bytes = world.session.keyframe();
    bytes[0] += 1;
    let error = Session::from_keyframe(&bytes).unwrap_err();
    let newer = format!("version {}", KEYFRAME_VERSION + 1);
    assert!(error.message.contains(&newer), "{error}");
}
