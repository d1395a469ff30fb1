//! Totals over matches and their boards.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::sample::{BEGIN_US, name};
use crate::stats::{
    Contribution, Figure, Figures, METRICS, Name, Season, Totals, Window, WindowKind,
};

const DAY_US: i64 = 86_400_000_000;

fn metric(name: &str) -> usize {
    METRICS.iter().position(|metric| metric.name == name).unwrap()
}

fn all_time() -> Window {
    Window { kind: WindowKind::AllTime, number: 0 }
}

fn contribution(id: &str, version: u64, day: i64, kills: &[(&str, u64, i64)]) -> Contribution {
    let mut players: Vec<(Name, Figures)> = kills
        .iter()
        .map(|(player, kills, at)| {
            let mut figures = Figures::default();
            figures.add(Figure::Kills, *kills, *at);
            figures.add(Figure::BestStreak, kills / 2, *at);
            figures.add(Figure::MatchesPlayed, 1, 0);
            (name(player), figures)
        })
        .collect();
    players.sort_by(|a, b| a.0.cmp(&b.0));
    Contribution { match_id: name(id), version, dated_us: BEGIN_US + day * DAY_US, players }
}

#[test]
fn e4_a_match_that_shrinks_leaves_one_entry() {
    let mut totals = Totals::default();
    totals.apply(&contribution("m", 1, 0, &[("a", 50, 1), ("b", 45, 2)]));
    totals.apply(&contribution("m", 2, 0, &[("a", 40, 3), ("b", 45, 2)]));
    let board = totals.board(all_time(), metric("kills")).unwrap();
    let order: Vec<_> =
        board.from(0).map(|p| (p.player.as_str().to_owned(), p.score.numerator)).collect();
    assert_eq!(order, [("b".to_owned(), 45), ("a".to_owned(), 40)]);
    let (_, standing) = totals.place("a", all_time(), metric("kills")).unwrap();
    assert_eq!((standing.ordinal, standing.total), (2, 2));
}

#[test]
fn f4_a_closed_window_stays_as_it_was_closed_and_leaves_the_memory() {
    let mut totals = Totals::default();
    totals.apply(&contribution("m", 1, 0, &[("a", 5, 1)]));
    let day = Window::of(WindowKind::Day, BEGIN_US, Season::default());
    assert_eq!(totals.closable(BEGIN_US + DAY_US), [day]);
    let closed = Totals::of_frozen(Season::default(), day, totals.in_window(day));
    totals.freeze(day);
    assert_eq!(totals.closable(BEGIN_US + DAY_US), []);
    totals.apply(&contribution("m", 2, 0, &[("a", 9, 1)]));
    totals.apply(&contribution("n", 1, 1, &[("a", 1, 1)]));
    let kills = |totals: &Totals, window| totals.figures("a", window).map(|f| f.get(Figure::Kills));
    assert_eq!(kills(&totals, day), None, "it is kept elsewhere");
    assert_eq!(totals.in_window(day), []);
    assert_eq!(kills(&totals, Window { number: day.number + 1, ..day }), Some(1));
    assert_eq!(kills(&totals, all_time()), Some(10));
    assert!(totals.is_frozen(day));

    assert_eq!(kills(&closed, day), Some(5));
    assert_eq!(closed.board(day, metric("kills")).unwrap().nth(0).unwrap().score.numerator, 5);
    let far = BEGIN_US + 400 * DAY_US;
    let closable = totals.closable(far);
    assert!(closable.iter().all(|window| window.kind == WindowKind::Season), "{closable:?}");
    totals.forget_old(far);
    assert!(!totals.is_frozen(day));
    assert_eq!(
        totals.windows().map(|window| window.kind).collect::<Vec<_>>(),
        [WindowKind::AllTime, WindowKind::Season]
    );
}

#[test]
fn adding_zero_moves_nobody_and_puts_nobody_on_a_board() {
    let mut totals = Totals::default();
    totals.apply(&contribution("m", 1, 0, &[("a", 5, 1), ("b", 5, 2)]));
    let places = |totals: &Totals| -> Vec<_> {
        totals.board(all_time(), metric("kills")).unwrap().from(0).cloned().collect()
    };
    let before = places(&totals);
    // Later matches in which nothing happened to them.
    totals.apply(&contribution("n", 1, 0, &[("a", 0, 9), ("b", 0, 8), ("c", 0, 7)]));
    assert_eq!(places(&totals), before);
    assert_eq!(totals.place("c", all_time(), metric("kills")), None);
}

#[test]
fn what_is_taken_away_and_comes_back_stands_where_it_stood() {
    let mut totals = Totals::default();
    totals.apply(&contribution("m", 1, 0, &[("a", 5, 1)]));
    totals.apply(&contribution("n", 1, 0, &[("b", 7, 2)]));
    let before = totals.place("a", all_time(), metric("kills"));
    totals.apply(&contribution("m", 2, 0, &[]));
    assert_eq!(totals.place("a", all_time(), metric("kills")), None);
    assert_eq!(totals.board(all_time(), metric("kills")).unwrap().len(), 1);
    totals.apply(&contribution("m", 3, 0, &[("a", 5, 1)]));
    assert_eq!(totals.place("a", all_time(), metric("kills")), before);
    assert_eq!(before.unwrap().1.ordinal, 2);
}

#[test]
fn g9_a_void_match_leaves_nothing() {
    let (mut totals, mut without) = (Totals::default(), Totals::default());
    for day in 0..5 {
        let played = contribution(&format!("m{day}"), 1, day, &[("a", 3, day), ("b", 2, day)]);
        totals.apply(&played.clone());
        if day != 2 {
            without.apply(&played);
        }
    }
    totals.apply(&contribution("m2", 2, 2, &[]));
    assert_eq!(totals.in_window(all_time()), without.in_window(all_time()));
}

proptest! {
    #[test]
    fn totals_are_the_sum_of_the_newest(
        told in proptest::collection::vec(
            (0..4_u8, 1..5_u64, 0..9_i64, proptest::collection::vec((0..5_u8, 0..30_u64, 0..40_i64), 0..5)),
            1..40,
        )
    ) {
        let mut totals = Totals::default();
        let mut newest: BTreeMap<Name, Contribution> = BTreeMap::new();
        for (match_, version, day, players) in told {
            let mut named: BTreeMap<String, (u64, i64)> = BTreeMap::new();
            for (player, kills, at) in players {
                named.insert(format!("p{player}"), (kills, at));
            }
            let kills: Vec<_> = named.iter().map(|(p, (k, at))| (p.as_str(), *k, *at)).collect();
            let new = contribution(&format!("m{match_}"), version, day, &kills);
            totals.apply(&new.clone());
            let newer = newest.get(&new.match_id).is_none_or(|old| old.version < version);
            if newer {
                newest.insert(new.match_id.clone(), new);
            }
        }
        let mut again = Totals::default();
        for contribution in newest.values().rev() {
            again.apply(&contribution.clone());
        }
        for window in again.windows().collect::<Vec<_>>() {
            prop_assert_eq!(totals.in_window(window), again.in_window(window));
            for metric in 0..METRICS.len() {
                let places = |t: &Totals| -> Vec<_> {
                    t.board(window, metric).map_or_else(Vec::new, |b| b.from(0).cloned().collect())
                };
                prop_assert_eq!(places(&totals), places(&again));
            }
        }
        let expected: u64 = newest.values().flat_map(|c| &c.players).map(|(_, f)| f.get(Figure::Kills)).sum();
        let actual: u64 = totals.in_window(all_time()).iter().map(|(_, f)| f.get(Figure::Kills)).sum();
        prop_assert_eq!(actual, expected);
    }
}
