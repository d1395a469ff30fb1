use super::*;

fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

fn outcome(id: &str, ended_us: i64, sides: &[(u32, &[&str])]) -> Outcome {
    let sides = sides
        .iter()
        .map(|(place, players)| Side {
            place: *place,
            players: players.iter().map(|p| name(p)).collect(),
        })
        .collect();
    Outcome { match_id: name(id), ended_us, sides }
}

fn rated(outcomes: &[Outcome]) -> Ratings {
    let mut ratings = Ratings::default();
    for outcome in outcomes {
        ratings.set(&outcome.match_id, Some(outcome.clone()));
    }
    ratings.settle();
    ratings
}

fn bits(ratings: &Ratings) -> Vec<(String, [u64; 5])> {
    let mut all: Vec<_> = ratings
        .skills
        .iter()
        .map(|(name, s)| {
            let numbers = [s.rating, s.deviation, s.volatility, s.mu, s.sigma];
            (name.to_string(), numbers.map(f64::to_bits))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn g1_a_surprise_moves_the_volatility() {
    const SCALE: f64 = 173.7178;
    let strong = Glicko2Rating { rating: 1_500.0, deviation: 30.0, volatility: 0.06 };
    let weak = Glicko2Rating { rating: 1_000.0, deviation: 30.0, volatility: 0.06 };
    let after =
        glicko2_rating_period(&strong, &[(weak, Outcomes::LOSS); 29], &Glicko2Config::new());
    assert!(after.volatility > 0.07, "{}", after.volatility);
    // Step 5 of Glickman's paper: the volatility is where this function is zero.
    let phi = strong.deviation / SCALE;
    let g = 1.0 / (1.0 + 3.0 * phi * phi / std::f64::consts::PI.powi(2)).sqrt();
    let e = 1.0 / (1.0 + (-g * (strong.rating - weak.rating) / SCALE).exp());
    let v = 1.0 / (29.0 * g * g * e * (1.0 - e));
    let delta = -v * 29.0 * g * e;
    let f = |x: f64| {
        let d = phi * phi + v + x.exp();
        x.exp() * (delta * delta - d) / (2.0 * d * d) - (x - 0.06_f64.powi(2).ln()) / 0.25
    };
    let x = after.volatility.powi(2).ln();
    assert!(f(x - 1e-4) * f(x + 1e-4) < 0.0, "{} is no root", after.volatility);
}

#[test]
fn g2_extreme_numbers_end_and_stay_finite() {
    for (rating, deviation) in [(1e6, 1e-6), (-1e6, 350.0), (0.0, 1e4), (4_000.0, 30.0)] {
        let before = Skill { rating, deviation, matches: 1, ..Skill::default() };
        let played = outcome("m", 0, &[(1, &["a"]), (2, &["b"])]);
        let after =
            rate(&played, |player| if player.as_str() == "a" { before } else { Skill::default() });
        assert!(after.iter().all(|(_, skill)| skill.is_finite()));
    }
}

#[test]
fn g3_certainty_fades_in_what_is_read() {
    let ratings = rated(&[outcome("m", 0, &[(1, &["a"]), (2, &["b"])])]);
    let skill = ratings.skill("a").unwrap();
    let later = skill.at(6 * PERIOD_US + 1);
    assert!(later.deviation > skill.deviation && later.deviation <= DEVIATION_MAX);
    assert_eq!((later.rating, skill.at(PERIOD_US - 1)), (skill.rating, *skill));
}

#[test]
fn g4_those_who_share_a_place_are_equal() {
    let sides: [(u32, &[&str]); 5] =
        [(1, &["a"]), (1, &["b"]), (2, &["c"]), (3, &["d"]), (4, &["e"])];
    let ratings = rated(&[outcome("m", 0, &sides)]);
    let skill = |player| *ratings.skill(player).unwrap();
    assert_eq!((skill("a").rating, skill("a").mu), (skill("b").rating, skill("b").mu));
    assert!(skill("a").mu > skill("c").mu && skill("c").mu > skill("d").mu);
    assert!(skill("b").rating > skill("c").rating && skill("d").rating > skill("e").rating);
}

#[test]
fn g5_equals_who_draw_stay_equal() {
    let ratings = rated(&[outcome("m", 0, &[(1, &["a", "b"]), (1, &["c", "d"])])]);
    let all: Vec<_> = ["a", "b", "c", "d"].map(|player| *ratings.skill(player).unwrap()).into();
    assert!(all.iter().all(|skill| *skill == all[0]));
}

#[test]
fn g6_the_declared_winner_gains() {
    let ratings = rated(&[outcome("m", 0, &[(2, &["a"]), (1, &["b"])])]);
    let (a, b) = (ratings.skill("a").unwrap(), ratings.skill("b").unwrap());
    assert!(b.rating > 1_500.0 && a.rating < 1_500.0 && b.mu > a.mu);
}

#[test]
fn g7_an_end_told_twice_rates_once() {
    let played = outcome("m", 5, &[(1, &["a"]), (2, &["b"])]);
    let mut ratings = rated(std::slice::from_ref(&played));
    let before = bits(&ratings);
    ratings.set(&played.match_id.clone(), Some(played));
    ratings.settle();
    assert_eq!(bits(&ratings), before);
    assert_eq!((ratings.skill("a").unwrap().matches, ratings.rated_matches()), (1, 1));
}

#[test]
fn g9_a_void_match_is_as_if_it_had_not_been() {
    let all: Vec<_> = (0..5)
        .map(|n| outcome(&format!("m{n}"), n, &[(1, &["a", "c"]), (2, &["b", "d"])]))
        .collect();
    let mut ratings = rated(&all);
    ratings.set(&name("m2"), None);
    ratings.settle();
    let without: Vec<_> = all.iter().filter(|o| o.match_id != name("m2")).cloned().collect();
    assert_eq!(bits(&ratings), bits(&rated(&without)));
}

proptest::proptest! {
    #[test]
    fn any_order_of_results_gives_the_same_ratings(
        told in proptest::collection::vec((0..8_i64, 0..6_u8, 0..6_u8, 1..3_u32), 1..14),
        seed in 0..1_000_usize,
    ) {
        let all: Vec<_> = told
            .iter()
            .enumerate()
            .filter(|(_, (_, a, b, _))| a != b)
            .map(|(n, (at, a, b, place))| {
                let (a, b) = (format!("p{a}"), format!("p{b}"));
                outcome(&format!("m{n}"), at * PERIOD_US / 2, &[(1, &[&a]), (*place, &[&b])])
            })
            .collect();
        let mut ratings = Ratings::default();
        for index in 0..all.len() {
            let outcome = &all[(index + seed) % all.len()];
            ratings.set(&outcome.match_id, Some(outcome.clone()));
            if index % 3 == 0 {
                ratings.settle();
            }
        }
        ratings.settle();
        let straight = rated(&all);
        proptest::prop_assert_eq!(bits(&ratings), bits(&straight));
        let board: Vec<_> = ratings.board().from(0).cloned().collect();
        proptest::prop_assert_eq!(board.len(), ratings.skills.len());
        proptest::prop_assert!(straight.board().from(0).eq(board.iter()));
    }
}
