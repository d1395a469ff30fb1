//! The life of a session, and who is in it.

use super::fixture::*;
use crate::combat::content::*;
use crate::combat::*;

const A: PlayerNo = PlayerNo(0);
const B: PlayerNo = PlayerNo(1);

#[test]
fn a_session_is_played_and_folds_to_the_same() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    let verdict = world.shoot(A, B);
    assert_eq!(verdict.reason, Reason::Hit, "{verdict:?}");
    assert_eq!(world.player(B).health, 70);
    world.check_fold();
}

#[test]
fn illegal_steps_name_the_present_state() {
    use Status::{Aborted, Active, Ended, Paused, Waiting};
    let abort = Command::Abort { why: "x".to_owned() };
    let steps = [
        (Command::Start, vec![Waiting], Active),
        (Command::Pause, vec![Active], Paused),
        (Command::Resume, vec![Paused], Active),
        (Command::End { empty: false }, vec![Active, Paused], Ended),
        (abort, vec![Waiting, Active, Paused], Aborted),
        (Command::Tick, vec![Active], Active),
    ];
    let reached = |status: Status| {
        let mut world = World::new("dm", "open");
        world.join("a");
        let way: &[Command] = match status {
            Waiting => &[],
            Active => &[Command::Start],
            Paused => &[Command::Start, Command::Pause],
            Ended => &[Command::Start, Command::End { empty: false }],
            Aborted => &[Command::Abort { why: String::new() }],
        };
        way.iter().for_each(|step| assert_eq!(world.run(step).reason, Reason::Accepted));
        assert_eq!(world.session.status, status);
        world
    };
    for (command, from, to) in &steps {
        for status in Status::ALL {
            let mut world = reached(status);
            let verdict = world.run(command);
            if from.contains(&status) {
                assert_eq!(verdict.reason, Reason::Accepted, "{command:?} from {status:?}");
                assert_eq!(world.session.status, *to);
            } else {
                assert_eq!(verdict, Verdict::with(Reason::WrongStatus, Evidence::Status(status)));
                let error = verdict.error().unwrap();
                assert!(error.message.contains(status.name()), "{error}");
                assert_eq!(world.session.status, status);
            }
            world.check_fold();
        }
    }
}

#[test]
fn nothing_moves_while_a_session_is_paused() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    world.act(A, HASTE, None);
    world.run(&Command::Pause);
    let tick = world.session.tick;
    assert_eq!(world.run(&Command::Move(world.stand(A))).reason, Reason::WrongStatus);
    assert_eq!(world.shoot(A, B).reason, Reason::WrongStatus);
    assert_eq!(world.act(A, HEAL, None).reason, Reason::WrongStatus);
    world.at_us += 60_000_000;
    assert_eq!(world.run(&Command::Resume).reason, Reason::Accepted);
    assert_eq!(world.session.tick, tick);
    assert!(world.player(A).has_effect(|kind| matches!(kind, EffectKind::Speed { .. })));
    world.ticks(1);
    assert_eq!(world.shoot(A, B).reason, Reason::Hit);
}

/// Report S1: seats are counted once, whoever waits for them.
#[test]
fn report_s1_two_seats_take_two() {
    let mut world = World::new("dm", "open");
    world.run(&Command::Update { name: None, max_players: Some(2) });
    let reasons: Vec<Reason> = ["a", "b", "c"]
        .iter()
        .map(|id| world.run(&Command::Join { player_id: (*id).to_owned(), team: None }).reason)
        .collect();
    assert_eq!(reasons, [Reason::Accepted, Reason::Accepted, Reason::SessionFull]);
    world.run(&Command::Leave { player: A, why: LeaveReason::Left });
    let verdict = world.run(&Command::Join { player_id: "c".to_owned(), team: None });
    let Evidence::Seat(seat) = verdict.evidence else { panic!() };
    assert_eq!((seat.player, seat.seat), (PlayerNo(2), 0));
    world.check_fold();
}

#[test]
fn a_thousand_joins_of_one_player_are_one_player() {
    let mut world = World::new("dm", "open");
    let first = world.join("a");
    let version = world.session.version;
    for _ in 0..1_000 {
        let verdict = world.run(&Command::Join { player_id: "a".to_owned(), team: None });
        assert_eq!(verdict.reason, Reason::AlreadyDone);
        let Evidence::Seat(seat) = verdict.evidence else { panic!() };
        assert_eq!(seat.player, first);
    }
    assert_eq!(world.session.version, version);
    assert_eq!(world.session.present_count(), 1);
}

#[test]
fn who_comes_back_is_who_he_was() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    world.shoot(A, B);
    world.run(&Command::Leave { player: A, why: LeaveReason::Left });
    assert_eq!(
        world.run(&Command::Leave { player: A, why: LeaveReason::Left }).reason,
        Reason::AlreadyDone
    );
    assert_eq!(world.join("p0"), A);
    assert_eq!(world.player(A).stats.damage_dealt, 30);
    assert_eq!(world.player(A).shots.top(), 1);
    world.check_fold();
}

#[test]
fn a_session_has_no_more_players_than_it_can_number() {
    let mut world = World::new("dm", "open");
    for number in 0..PLAYERS_EVER_MAX {
        let player = world.join(&format!("p{number}"));
        world.run(&Command::Leave { player, why: LeaveReason::Left });
    }
    let join = Command::Join { player_id: "one more".to_owned(), team: None };
    assert_eq!(world.run(&join).reason, Reason::SessionFull);
    let back = Command::Join { player_id: "p3".to_owned(), team: None };
    assert_eq!(world.run(&back).reason, Reason::Accepted);
}

#[test]
fn malformed_names_are_refused() {
    let mut world = World::new("dm", "open");
    for id in [String::new(), "a\nb".to_owned(), "x".repeat(300)] {
        assert_eq!(
            world.run(&Command::Join { player_id: id, team: None }).reason,
            Reason::Malformed
        );
    }
    let name = Command::Update { name: Some("x\u{7}".to_owned()), max_players: None };
    assert_eq!(world.run(&name).reason, Reason::Malformed);
    let new = |map: &str, mode: &str, max_players| NewSession {
        session_id: "s".to_owned(),
        name: String::new(),
        kind: String::new(),
        max_players,
        map_id: map.to_owned(),
        mode_id: mode.to_owned(),
        seed: 0,
        rules: None,
    };
    for (map, mode, seats, field) in [
        ("nowhere", "dm", 2, "mapId"),
        ("open", "chess", 2, "gameMode"),
        ("open", "dm", 0, "maxPlayers"),
        ("open", "dm", 129, "maxPlayers"),
    ] {
        let error = new(map, mode, seats).create(&world.content).unwrap_err();
        assert!(error.message.contains(field), "{error}");
    }
}

/// Report S6: who joins a session that has ended is told so.
#[test]
fn report_s6_an_ended_session_is_joined_by_nobody() {
    let mut world = World::started("dm", "open", &[at(0, 0, 0)]);
    world.run(&Command::End { empty: false });
    let verdict = world.run(&Command::Join { player_id: "late".to_owned(), team: None });
    assert_eq!(verdict, Verdict::with(Reason::WrongStatus, Evidence::Status(Status::Ended)));
}

#[test]
fn teams_are_filled_evenly_and_only_the_dead_change() {
    let mut world = World::started("tdm", "open", &[at(0, 0, 0), at(10, 0, 0), at(0, 20, 0)]);
    let teams: Vec<u8> = world.session.players.iter().map(|player| player.team.0).collect();
    assert_eq!(teams, [1, 2, 1]);
    let change = |team| Command::ChangeTeam { player: B, team: TeamNo(team) };
    assert_eq!(world.run(&change(3)).reason, Reason::NoSuchTeam);
    assert_eq!(world.run(&change(2)).reason, Reason::AlreadyDone);
    assert_eq!(world.run(&change(1)).reason, Reason::WrongStatus);
    let join = Command::Join { player_id: "x".to_owned(), team: Some(TeamNo(9)) };
    assert_eq!(world.run(&join).reason, Reason::NoSuchTeam);
}

fn kill(world: &mut World, killer: PlayerNo, victim: PlayerNo) {
    world.session.players[victim.index()].health = 1;
    world.milliseconds(200);
    let verdict = world.shoot(killer, victim);
    assert_eq!(verdict.reason, Reason::Hit, "{verdict:?}");
    assert!(!world.player(victim).is_alive());
}

#[test]
fn deathmatch_ends_at_its_score() {
    let mut content = content();
    content.modes[0].score_max = 2;
    let mut world = World::with(content, "dm", "open");
    world.start(&[at(0, 0, 0), at(10, 0, 0), at(20, 20, 0)]);
    kill(&mut world, A, B);
    assert_eq!(world.session.status, Status::Active);
    kill(&mut world, A, PlayerNo(2));
    let end = world.session.end.unwrap();
    assert_eq!((end.why, end.player, end.team), (EndReason::Score, Some(A), TeamNo(0)));
    assert_eq!(world.shoot(A, B).reason, Reason::WrongStatus);
}

#[test]
fn time_ends_a_session_in_favour_of_who_leads_or_of_nobody() {
    for kills in [0, 1] {
        let mut content = content();
        content.modes[1].time_max_ms = 5_000;
        let mut world = World::with(content, "tdm", "open");
        world.start(&[at(0, 0, 0), at(10, 0, 0)]);
        if kills == 1 {
            kill(&mut world, B, A);
        }
        world.milliseconds(5_000);
        let end = world.session.end.unwrap();
        assert_eq!((end.why, end.team), (EndReason::Time, TeamNo(2 * kills)));
    }
}

#[test]
fn friendly_kills_cost_a_point() {
    let mut content = content();
    content.modes[1].friendly_fire = true;
    let mut world = World::with(content, "tdm", "open");
    world.start(&[at(0, 0, 0), at(0, 50, 0), at(10, 0, 0)]);
    kill(&mut world, A, PlayerNo(2));
    assert_eq!((world.player(A).score, world.session.team_scores[0]), (-1, -1));
    assert_eq!((world.player(A).stats.kills, world.player(A).stats.team_kills), (1, 1));
}

#[test]
fn rounds_go_to_the_last_team_alive() {
    let mut world =
        World::started("rounds", "open", &[at(0, 0, 0), at(10, 0, 0), at(0, 20, 0), at(10, 20, 0)]);
    assert_eq!(world.session.round.number, 1);
    kill(&mut world, A, B);
    world.ticks(1);
    assert!(world.session.round.next_at.is_none());
    assert_eq!(world.run(&Command::Respawn { player: B }).reason, Reason::CannotRespawn);
    kill(&mut world, PlayerNo(2), PlayerNo(3));
    world.ticks(1);
    assert_eq!(world.session.team_scores, [1, 0]);
    world.milliseconds(2_000);
    assert_eq!(world.session.round.number, 2);
    assert!(world.session.players.iter().all(Player::is_alive));
    world.check_fold();
}

#[test]
fn the_last_two_who_kill_each_other_draw_the_round() {
    let mut world = World::started("rounds", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    world.milliseconds(200);
    world.session.players[0].health = 1;
    world.session.players[1].health = 1;
    let a = world.aim(A, B, 1_200);
    world.look(A, a.look);
    let b = world.aim(B, A, 1_200);
    world.look(B, b.look);
    let now = 1_000_000 + world.at_us;
    assert_eq!(world.run(&Command::Shoot(Shot { client_us: now, ..a })).reason, Reason::Hit);
    assert_eq!(world.run(&Command::Shoot(Shot { client_us: now, ..b })).reason, Reason::Hit);
    world.ticks(1);
    assert_eq!(world.session.team_scores, [0, 0]);
    assert!(world.session.round.next_at.is_some());
}

#[test]
fn rounds_end_with_their_time_or_when_a_team_goes() {
    for (on_time, winner) in
        [(OnTime::Nobody, 0), (OnTime::Team(TeamNo(2)), 2), (OnTime::MoreAlive, 1)]
    {
        let mut content = content();
        let rules = RoundRules { round_ms: 4_000, pause_ms: 1_000, on_time };
        content.modes[2].kind = ModeKind::Rounds(rules);
        let mut world = World::with(content, "rounds", "open");
        world.start(&[at(0, 0, 0), at(10, 0, 0), at(0, 20, 0)]);
        world.milliseconds(4_000);
        let won: Vec<i32> = (1..=2).map(|team| i32::from(team == winner)).collect();
        assert_eq!(world.session.team_scores, won, "{on_time:?}");
    }
    let mut world = World::started("rounds", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    world.run(&Command::Leave { player: B, why: LeaveReason::Left });
    assert_eq!(world.session.team_scores, [1, 0]);
    // Nobody to fight: the next round lasts until its time.
    world.milliseconds(10_000);
    assert_eq!(world.session.team_scores, [1, 0]);
}

#[test]
fn rounds_won_end_the_session() {
    let mut world = World::started("rounds", "open", &[at(0, 0, 0), at(10, 0, 0)]);
    for round in 1..=3 {
        assert_eq!(world.session.round.number, round);
        world.put(A, at(0, 0, 0));
        world.put(B, at(10, 0, 0));
        world.ticks(2);
        kill(&mut world, A, B);
        world.milliseconds(2_200);
    }
    assert_eq!(world.session.end.unwrap().team, TeamNo(1));
    world.check_fold();
}

#[test]
fn a_session_is_watched_as_its_rules_say() {
    let rules = Rules::default().spectate;
    assert_eq!(rules.admit(0).reason, Reason::Accepted);
    assert_eq!(rules.admit(rules.spectators_max).reason, Reason::SessionFull);
    assert_eq!(
        SpectateRules { allowed: false, ..rules }.admit(0).reason,
        Reason::SpectatorsRefused
    );
}
