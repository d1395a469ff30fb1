//! Ranks, against a sorted list.

use super::sample::name;
use crate::stats::{Board, Place, Score, Standing};

fn place(player: &str, score: u64, reached_us: i64) -> Place {
    Place { score: Score::whole(score), reached_us, player: name(player) }
}

fn board(scores: &[(&str, u64)]) -> Board {
    scores
        .iter()
        .enumerate()
        .map(|(at, (player, score))| place(player, *score, at as i64))
        .collect()
}

fn ranks(board: &Board, ascending: bool) -> Vec<(u64, u64, u64)> {
    (0..board.len())
        .map(|index| {
            let nth = if ascending { board.nth_ascending(index) } else { board.nth(index) };
            let nth = nth.unwrap();
            let standing =
                if ascending { board.standing_ascending(nth) } else { board.standing(nth) };
            assert_eq!(standing.ordinal, index as u64 + 1);
            (standing.ordinal, standing.competition, standing.dense)
        })
        .collect()
}

#[test]
fn e1_three_ways_to_count() {
    let board = board(&[("a", 100), ("b", 100), ("c", 90)]);
    assert_eq!(ranks(&board, false), [(1, 1, 1), (2, 1, 1), (3, 3, 2)]);
}

#[test]
fn e2_equals_where_less_is_better() {
    let scores = [15, 11, 10, 10, 10, 9, 7, 5];
    let named: Vec<_> = scores.iter().enumerate().map(|(n, s)| (format!("p{n}"), *s)).collect();
    let board = board(&named.iter().map(|(n, s)| (n.as_str(), *s)).collect::<Vec<_>>());
    let ranks = ranks(&board, true);
    assert_eq!(ranks.iter().map(|r| r.1).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 4, 7, 8]);
    assert_eq!(ranks.iter().map(|r| r.2).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 4, 5, 6]);
    assert_eq!(board.nth_ascending(3).unwrap().player, name("p2"));
}

#[test]
fn e3_around_me_keeps_to_the_ends() {
    let named: Vec<_> = (0..10).map(|n| (format!("p{n}"), 100 - n)).collect();
    let board = board(&named.iter().map(|(n, s)| (n.as_str(), *s)).collect::<Vec<_>>());
    assert_eq!(board.around(1, 4), 0..4);
    assert_eq!(board.around(5, 4), 4..8);
    assert_eq!(board.around(9, 4), 6..10);
    assert_eq!(board.around(5, 1), 5..6);
    assert_eq!(board.around(0, 1_000_000_000), 0..10);
    assert_eq!(board.around(3, 0), 3..3);
}

#[test]
fn e5_who_was_there_first_leads() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let board: Board = [place(first, 100, 1), place(second, 100, 2)].into_iter().collect();
        assert_eq!(board.nth(0).unwrap().player, name(first));
    }
}

#[test]
fn e6_the_share_of_those_ahead() {
    let standing = Standing { ordinal: 290, competition: 287, dense: 200, total: 43_354 };
    assert_eq!((standing.top_percent() * 100.0).round(), 66.0);
}

#[test]
fn a_score_that_is_not_used_and_one_that_is_added_again_change_nothing() {
    let mut board = board(&[("a", 50), ("b", 40)]);
    assert!(!board.insert(place("a", 50, 0)));
    assert!(!board.remove(&place("a", 40, 0)));
    assert_eq!(ranks(&board, false), [(1, 1, 1), (2, 2, 2)]);
    assert!(board.remove(&place("a", 50, 0)));
    assert!(board.insert(place("a", 30, 9)));
    assert_eq!(board.nth(1).unwrap().player, name("a"));
    assert_eq!(board.len(), 2);
}

#[test]
fn k1_pages_of_equals_show_each_once() {
    let board = board(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]);
    let pages = [0, 2, 4]
        .map(|from| board.from(from).take(2).map(|p| p.player.clone()).collect::<Vec<_>>());
    let mut all: Vec<_> = pages.concat();
    all.dedup();
    assert_eq!(all.len(), 5);
    assert_eq!(board.from(9).count(), 0);
}

#[test]
fn paging_backwards_shows_each_once_and_equals_in_their_order() {
    let board = board(&[("a", 3), ("b", 1), ("c", 1), ("d", 1), ("e", 2), ("f", 1)]);
    let names = |from: usize| {
        (from..(from + 2).min(board.len())).map(|n| board.nth_ascending(n).unwrap().player.clone())
    };
    let forward: Vec<_> = [0, 2, 4].into_iter().flat_map(names).collect();
    assert_eq!(forward, ["b", "c", "d", "f", "e", "a"].map(name));
    // The pages in the other order are the same pages.
    let backward: Vec<Vec<_>> = [4, 2, 0].into_iter().map(|from| names(from).collect()).collect();
    assert_eq!(backward.into_iter().rev().flatten().collect::<Vec<_>>(), forward);
    for (index, player) in forward.iter().enumerate() {
        let place = board.nth_ascending(index).unwrap();
        assert_eq!(
            (&place.player, board.standing_ascending(place).ordinal),
            (player, index as u64 + 1)
        );
    }
}

/// A generator of numbers that is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn as_a_sorted_list_would() {
    for (seed, scores) in [(1, 40), (2, 5_000), (3, 3)] {
        let (mut numbers, mut board, mut list) =
            (Numbers(seed), Board::default(), Vec::<Place>::new());
        for step in 0..34_000_u64 {
            let grows = step < 12_000 || numbers.below(100) < 48;
            if grows || list.is_empty() {
                let player = format!("p{}", numbers.below(4_000));
                let score =
                    Score { numerator: numbers.below(scores), denominator: 1 + numbers.below(2) };
                let new =
                    Place { score, reached_us: numbers.below(50) as i64, player: name(&player) };
                let at = list.binary_search(&new);
                assert_eq!(board.insert(new.clone()), at.is_err());
                if let Err(at) = at {
                    list.insert(at, new);
                }
            } else {
                let at = numbers.below(list.len() as u64) as usize;
                let old = list.remove(at);
                assert!(board.remove(&old) && !board.remove(&old));
            }
            check(&board, &list, &mut numbers);
        }
        assert!(board.from(0).eq(list.iter()));
        let rebuilt: Board = list.iter().rev().cloned().collect();
        assert!(rebuilt.from(0).eq(list.iter()));
    }
}

fn check(board: &Board, list: &[Place], numbers: &mut Numbers) {
    assert_eq!(board.len(), list.len());
    assert_eq!(board.nth(list.len()), None);
    assert_eq!(board.nth_ascending(list.len()), None);
    if list.is_empty() {
        return;
    }
    let at = numbers.below(list.len() as u64) as usize;
    let (place, total) = (&list[at], list.len() as u64);
    assert_eq!(board.nth(at), Some(place));
    if numbers.below(16) > 0 {
        assert_eq!(board.index(place), at);
        return;
    }
    let better = list.iter().filter(|other| other.score > place.score);
    let mut distinct: Vec<_> = better.clone().map(|other| other.score).collect();
    distinct.dedup();
    let competition = better.count() as u64 + 1;
    let standing =
        Standing { ordinal: at as u64 + 1, competition, dense: distinct.len() as u64 + 1, total };
    assert_eq!(board.standing(place), standing);
    let mut worse: Vec<_> = list.iter().filter(|other| other.score < place.score).collect();
    let ahead = list.iter().filter(|o| o.score == place.score && *o < place).count();
    let ordinal = (worse.len() + ahead) as u64 + 1;
    let competition = worse.len() as u64 + 1;
    worse.dedup_by_key(|other| other.score);
    let ascending = Standing { ordinal, competition, dense: worse.len() as u64 + 1, total };
    assert_eq!(board.standing_ascending(place), ascending);
    assert_eq!(board.nth_ascending(ordinal as usize - 1), Some(place));
    assert!(board.from(at).take(3).eq(list[at..].iter().take(3)));
}
