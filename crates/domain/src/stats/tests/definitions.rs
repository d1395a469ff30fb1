//! What each number means, in the cases that others got wrong.

use super::sample::{
    any_events, death, end, figure, hit, join, kill, name, objective, played, some,
};
use crate::stats::{Data, Figure, Match, Rules, Status};

#[test]
fn d1_damage_beyond_the_health_is_none() {
    let view = played(&[
        (1.0, "a", join("t")),
        (1.0, "b", join("u")),
        (2.0, "a", hit("b", 79, Some(100))),
        (2.0, "a", hit("b", 79, Some(100))),
    ]);
    assert_eq!(figure(&view, "a", Figure::DamageDealt), 100_000);
    assert_eq!(figure(&view, "b", Figure::DamageTaken), 100_000);
    assert_eq!(figure(&view, "a", Figure::Overkill), 58_000);
}

#[test]
fn d2_a_team_kill_and_a_fall_have_columns_of_their_own() {
    let view = played(&[
        (1.0, "a", join("t")),
        (1.0, "b", join("t")),
        (2.0, "a", kill("b")),
        (3.0, "a", death("")),
        (4.0, "b", kill("b")),
    ]);
    for (player, expected) in [("a", [0, 1, 1, 1]), ("b", [0, 2, 0, 1])] {
        let figures = [Figure::Kills, Figure::Deaths, Figure::TeamKills, Figure::Suicides];
        assert_eq!(figures.map(|f| figure(&view, player, f)), expected, "{player}");
    }
}

#[test]
fn d3_a_round_counts_once_for_kast() {
    let view = played(&[
        (0.0, "", objective("round_start", "")),
        (1.0, "a", join("t")),
        (2.0, "a", kill("b")),
        (3.0, "a", Data::Assist { victim: None }),
        (9.0, "", objective("round_end", "t")),
    ]);
    let figures =
        [Figure::KastRounds, Figure::RoundsPlayed, Figure::RoundsSurvived, Figure::RoundsWon];
    assert_eq!(figures.map(|f| figure(&view, "a", f)), [1, 1, 1, 1]);
    assert_eq!(figures.map(|f| figure(&view, "b", f)), [0, 1, 0, 0]);
}

#[test]
fn d4_a_trade_looks_at_every_kill_of_the_window() {
    let teams = [("a", "t"), ("c", "t"), ("b", "u"), ("d", "u"), ("m", "u")];
    let mut events: Vec<_> = teams.iter().map(|(p, team)| (0.0, *p, join(team))).collect();
    events.extend([(1.0, "a", kill("b")), (2.0, "c", kill("d")), (5.0, "m", kill("a"))]);
    let view = played(&events);
    assert_eq!(figure(&view, "b", Figure::TradedDeaths), 1);
    assert_eq!(figure(&view, "d", Figure::TradedDeaths), 0);
    assert_eq!(figure(&view, "m", Figure::TradeKills), 1);
    events[6].0 = 6.1;
    events[7].0 = 6.1;
    assert_eq!(figure(&played(&events), "b", Figure::TradedDeaths), 0);
}

#[test]
fn d5_a_round_has_the_kills_up_to_its_end_and_none_before() {
    let mut events: Vec<_> = (0..7).map(|n| (f64::from(n), "a", kill("b"))).collect();
    events.push((7.0, "", objective("round_start", "")));
    events.push((60.0, "a", kill("b")));
    events.push((60.0, "", objective("round_end", "")));
    events.push((60.0, "", objective("round_start", "")));
    let view = played(&events);
    let kills: Vec<u64> = view.rounds().map(|(round, _)| round.kills).collect();
    assert_eq!(kills, [1, 0]);
    let figures = [Figure::Kills, Figure::RoundKills, Figure::OpeningKills, Figure::RoundsPlayed];
    assert_eq!(figures.map(|f| figure(&view, "a", f)), [8, 1, 1, 1]);
}

#[test]
fn d6_a_shot_hits_once() {
    let shot = |shot| Data::Damage {
        target: some("b"),
        weapon: some("shotgun"),
        milli: 10_000,
        headshot: false,
        health_milli: None,
        shot: Some(shot),
    };
    let fired = Data::ItemUse { item: some("shotgun"), quantity: 1, shots: 2 };
    let view =
        played(&[(1.0, "a", fired), (1.0, "a", shot(7)), (1.0, "a", shot(7)), (1.1, "a", shot(7))]);
    assert_eq!(figure(&view, "a", Figure::ShotsHit), 1);
    assert_eq!(figure(&view, "a", Figure::ShotsFired), 2);
    let weapon = view.player("a").unwrap().weapons[0].1;
    assert_eq!((weapon.shots_fired, weapon.shots_hit, weapon.damage_milli), (2, 1, 30_000));
}

#[test]
fn a_kill_and_the_death_of_its_victim_are_one_death() {
    for events in [
        [(1.0, "a", kill("b")), (1.4, "b", death("a"))],
        [(1.0, "b", death("a")), (1.4, "a", kill("b"))],
        [(1.0, "a", kill("b")), (1.0, "b", death(""))],
    ] {
        assert_eq!(figure(&played(&events), "b", Figure::Deaths), 1, "{events:?}");
    }
    for events in [
        [(1.0, "a", kill("b")), (2.1, "b", death("a"))],
        [(1.0, "a", kill("b")), (1.4, "b", death("c"))],
        [(1.0, "b", death("a")), (1.1, "b", death("a"))],
    ] {
        assert_eq!(figure(&played(&events), "b", Figure::Deaths), 2, "{events:?}");
    }
}

#[test]
fn multi_kills_count_once_by_their_length() {
    let view = played(&[
        (1.0, "a", kill("b")),
        (11.0, "a", kill("c")),
        (21.0, "a", kill("d")),
        (31.1, "a", kill("b")),
        (32.0, "a", kill("b")),
    ]);
    let figures = [Figure::DoubleKills, Figure::TripleKills, Figure::BestStreak];
    assert_eq!(figures.map(|f| figure(&view, "a", f)), [1, 1, 5]);
    let six: Vec<_> = (0..6).map(|n| (f64::from(n), "a", kill("b"))).collect();
    let view = played(&six);
    let figures = [Figure::QuadraKills, Figure::PentaKills, Figure::DoubleKills];
    assert_eq!(figures.map(|f| figure(&view, "a", f)), [0, 1, 0]);
}

#[test]
fn time_is_what_is_heard_and_a_wrong_clock_gives_none() {
    let place = |x| Data::Position { mm: [x, 0, 0] };
    let view = played(&[
        (0.0, "a", join("t")),
        (10.0, "a", place(0)),
        (20.0, "a", place(3_000)),
        (20.0, "b", kill("a")),
        (30.0, "a", place(50_000)),
        (40.0, "a", place(50_500)),
        (2_300_000_000.0, "a", Data::PlayerLeave),
    ]);
    assert_eq!(figure(&view, "a", Figure::TimePlayed), 340_000_000);
    assert_eq!(figure(&view, "a", Figure::TimeAlive), 330_000_000);
    assert_eq!(figure(&view, "a", Figure::Distance), 3_500);
}

#[test]
fn the_last_end_holds_and_a_void_match_has_no_result() {
    let teams = [(0.0, "a", join("t")), (0.0, "b", join("u")), (1.0, "a", kill("b"))];
    let mut events = teams.to_vec();
    events.push((9.0, "", end("t")));
    events.push((10.0, "", end("u")));
    let view = played(&events);
    assert_eq!((view.status(), view.winner()), (Status::Ended, some("u").as_ref()));
    assert_eq!(
        (figure(&view, "a", Figure::MatchesWon), figure(&view, "b", Figure::MatchesWon)),
        (0, 1)
    );
    assert_eq!(view.outcome().unwrap().sides.len(), 2);
    let voided = Data::MatchEnd { winner: None, draw: false, voided: true, placements: Vec::new() };
    events.push((11.0, "", voided));
    let view = played(&events);
    assert_eq!((view.status(), view.outcome()), (Status::Voided, None));
}

#[test]
fn clutches() {
    let teams = [("a", "t"), ("b", "t"), ("x", "u"), ("y", "u")];
    let mut events: Vec<_> = teams.iter().map(|(p, team)| (0.0, *p, join(team))).collect();
    events.push((0.5, "", objective("round_start", "")));
    events.extend([(1.0, "x", kill("b")), (2.0, "a", kill("x")), (3.0, "a", kill("y"))]);
    events.push((4.0, "", objective("round_end", "t")));
    let view = played(&events);
    for (player, expected) in [("a", [1, 1]), ("b", [0, 0]), ("y", [1, 0])] {
        let figures = [Figure::Clutches, Figure::ClutchesWon];
        assert_eq!(figures.map(|f| figure(&view, player, f)), expected, "{player}");
    }
}

#[test]
fn j4_large_numbers_stay_right() {
    let fired = Data::ItemUse { item: None, quantity: 1_000_000, shots: 1_000_000 };
    let events: Vec<_> = (0..5_000).map(|n| (f64::from(n), "a", fired.clone())).collect();
    assert_eq!(figure(&played(&events), "a", Figure::ItemsUsed), 5_000_000_000);
}

proptest::proptest! {
    #[test]
    fn an_explanation_adds_up_to_the_number(events in any_events(60)) {
        let mut match_ = Match::new(name("m1"), Rules::default());
        for event in &events {
            match_.apply(event, 0).unwrap();
        }
        let view = match_.view();
        let has_rounds = view.rounds().next().is_some();
        for player in view.players() {
            for &which in Figure::ALL {
                let causes = match_.explain(player.id.as_str(), &[which]);
                let explained = causes.last().map_or(0, |cause| cause.to);
                let of_the_match = matches!(which, Figure::MatchesWon)
                    || !has_rounds && player.figures.get(which) != explained;
                proptest::prop_assert!(of_the_match || player.figures.get(which) == explained);
                let steps = causes.windows(2).all(|pair| pair[0].to == pair[1].from);
                proptest::prop_assert!(steps && causes.first().is_none_or(|cause| cause.from == 0));
                proptest::prop_assert!(causes.iter().all(|c| events.iter().any(|e| e.id == c.event)));
            }
        }
    }
}
