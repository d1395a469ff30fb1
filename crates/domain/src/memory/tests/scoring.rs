use proptest::prelude::*;

use super::HOUR_US;
use crate::memory::{
    Candidate, Fusion, Interval, MemoryId, Profile, Recency, RecencyBasis, Weights, rank_all,
    select,
};

/// What the interval hides, beside the candidate.
fn candidates() -> impl Strategy<Value = Vec<(Candidate, Option<f64>)>> {
    let coarse = (-8_i32..=8).prop_map(|n| f64::from(n) / 8.0);
    let similarity = proptest::option::of((
        prop_oneof![coarse, -1.0..1.0_f64],
        prop_oneof![Just(0.0), 0.0..0.3_f64],
        prop_oneof![Just(0.0), 0.0..0.3_f64],
    ));
    let words = prop_oneof![Just(0.0), 0.0..9.0_f64];
    let one = (similarity, words, 0.0..1.0_f64, 0..=10_u8, 0..4_i64);
    (proptest::collection::vec(one, 0..60), any::<bool>()).prop_map(|(all, asks_words)| {
        let made = |(id, (similarity, words, recency, importance, created)): (usize, _)| {
            let similarity: Option<(f64, f64, f64)> = similarity;
            let interval =
                similarity.map(|(at, below, above)| Interval { low: at - below, high: at + above });
            let candidate = Candidate {
                id: MemoryId(id as u128),
                created_us: created,
                similarity: interval,
                words: asks_words.then_some(words),
                recency,
                importance: f64::from(importance) / 10.0,
            };
            (candidate, similarity.map(|(at, ..)| at))
        };
        all.into_iter().enumerate().map(made).collect()
    })
}

fn profiles() -> impl Strategy<Value = Profile> {
    let fusion = prop_oneof![
        (0.0..=1.0_f64).prop_map(|vector| Fusion::Linear { vector }),
        (0.0..=100.0_f64).prop_map(|constant| Fusion::ReciprocalRank { constant }),
    ];
    let weight = || prop_oneof![Just(0.0), 0.0..3.0_f64];
    let custom = (weight(), weight(), weight(), fusion, any::<bool>()).prop_map(
        |(relevance, recency, importance, fusion, normalised)| Profile {
            weights: Weights { relevance, recency, importance },
            recency: Recency::HalfLife { hours: 24.0 },
            basis: RecencyBasis::Created,
            fusion,
            normalised,
        },
    );
    prop_oneof![Just(Profile::BALANCED), Just(Profile::PARK_2023), custom]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_selected_is_what_ranks_first(
        all in candidates(), profile in profiles(), full in 0.01..20.0_f64, count in 0..70_usize,
    ) {
        let hidden: Vec<Candidate> = all.iter().map(|(candidate, _)| *candidate).collect();
        let known: Vec<Candidate> = all
            .iter()
            .map(|(c, at)| Candidate { similarity: at.map(Interval::exact), ..*c })
            .collect();
        let mut asked = vec![0; all.len()];
        let best = select(&profile, &hidden, full, count, |index| {
            asked[index] += 1;
            all[index].1.unwrap()
        });
        let mut truth = rank_all(&profile, &known, full);
        truth.truncate(count);
        prop_assert_eq!(best, truth);
        prop_assert!(asked.iter().all(|times| *times <= 1));
    }
}

fn candidate(id: u128, similarity: f64, recency: f64, importance: f64) -> Candidate {
    Candidate {
        id: MemoryId(id),
        created_us: 0,
        similarity: Some(Interval::exact(similarity)),
        words: None,
        recency,
        importance,
    }
}

#[test]
fn what_cannot_enter_is_not_asked() {
    let all: Vec<Candidate> = (0..1_000)
        .map(|n| Candidate {
            similarity: Some(Interval { low: f64::from(n) - 0.5, high: f64::from(n) + 0.5 }),
            ..candidate(n as u128, 0.0, 0.0, 0.0)
        })
        .collect();
    let mut asked = 0;
    let best = select(&Profile::BALANCED, &all, 1.0, 10, |index| {
        asked += 1;
        index as f64
    });
    let found: Vec<usize> = best.iter().map(|scored| scored.index).collect();
    assert_eq!(found, (990..1_000).rev().collect::<Vec<_>>());
    assert!(asked <= 16, "{asked}");
}

/// The best of the whole score leads, wherever it stands by similarity.
#[test]
fn the_best_composite_leads_though_it_is_the_150th_by_similarity() {
    let mut all: Vec<Candidate> =
        (0..200).map(|n| candidate(n, 1.0 - n as f64 / 1_000.0, 0.0, 0.0)).collect();
    all[149].recency = 1.0;
    all[149].importance = 1.0;
    let profile = Profile {
        weights: Weights { relevance: 1.0, recency: 1.0, importance: 1.0 },
        ..Profile::BALANCED
    };
    assert_eq!(select(&profile, &all, 1.0, 5, |_| unreachable!())[0].index, 149);
}

#[test]
fn more_of_the_best_begins_with_the_same() {
    let all: Vec<Candidate> =
        (0..50).map(|n| candidate(n, f64::from((n * 7 % 50) as u32), 0.5, 0.5)).collect();
    let five = select(&Profile::BALANCED, &all, 1.0, 5, |_| unreachable!());
    let ten = select(&Profile::BALANCED, &all, 1.0, 10, |_| unreachable!());
    assert_eq!(five, ten[..5]);
}

/// Section 4.1 of the paper, written down once more: `0.995^hours`, importance / 10, cosine; each
/// min–max scaled over the memories; the sum.
#[test]
fn park_2023_is_the_paper() {
    let hours = [0_i64, 10, 100, 1_000];
    let importance = [2.0, 9.0, 5.0, 1.0];
    let cosine = [0.1, 0.2, 0.9, 0.5];
    let profile = Profile::PARK_2023;
    let all: Vec<Candidate> = (0..4)
        .map(|n| {
            let recency = profile.recency_of(hours[n] * HOUR_US);
            candidate(n as u128, cosine[n], recency, importance[n] / 10.0)
        })
        .collect();
    let scaled = |values: [f64; 4]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        values.map(|value| (value - low) / (high - low))
    };
    let recency = scaled(hours.map(|h| 0.995_f64.powf(h as f64)));
    let (importance, cosine) = (scaled(importance), scaled(cosine));
    let mut expected: Vec<(usize, f64)> =
        (0..4).map(|n| (n, recency[n] + importance[n] + cosine[n])).collect();
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    let ranked = rank_all(&profile, &all, 1.0);
    for (scored, (index, score)) in ranked.iter().zip(&expected) {
        assert_eq!(scored.index, *index);
        assert!((scored.score - score).abs() < 1e-9, "{} {score}", scored.score);
    }
    // The newest is the most recent, which released code of the paper has the other way round.
    assert!(profile.recency_of(0) > profile.recency_of(HOUR_US));
}

#[test]
fn terms_add_up_to_the_score() {
    let all: Vec<Candidate> =
        (0..20).map(|n| candidate(n, f64::from(n as u32) / 7.0, 0.3, 0.4)).collect();
    for scored in rank_all(&Profile::BALANCED, &all, 1.0) {
        let sum = scored.relevance.weighted + scored.recency.weighted + scored.importance.weighted;
        assert_eq!(scored.score, sum);
    }
}

/// A word of a long question in common with another memory does not outweigh what is meant; the whole
/// question in a memory does.
#[test]
fn words_count_by_how_much_of_the_question_they_are() {
    let with = |id, similarity, words| Candidate {
        words: Some(words),
        ..candidate(id, similarity, 0.0, 0.0)
    };
    let all = [with(0, 0.6, 0.0), with(1, 0.2, 4.0), with(2, 0.1, 0.0)];
    let first = |full| rank_all(&Profile::BALANCED, &all, full)[0];
    assert_eq!((first(16.0).index, first(4.0).index), (0, 1));
    assert!((first(16.0).words_share - 1.0 / 17.0).abs() < 1e-12);
    assert_eq!(first(4.0).words_share, 0.5);
    // More than a full match is no more than all of it.
    assert_eq!(first(3.0).words_share, 0.5);
    let only = |vector| Profile { fusion: Fusion::Linear { vector }, ..Profile::BALANCED };
    assert_eq!(rank_all(&only(0.0), &all, 16.0)[0].index, 1);
    assert_eq!(rank_all(&only(1.0), &all, 4.0)[0].index, 0);
}

/// Scores of words are scaled, never cut off: the order of the words stays.
#[test]
fn scaled_words_fall_strictly() {
    let all: Vec<Candidate> = [4.2, 2.1, 0.5]
        .into_iter()
        .enumerate()
        .map(|(n, words)| Candidate {
            similarity: None,
            words: Some(words),
            ..candidate(n as u128, 0.0, 0.0, 0.0)
        })
        .collect();
    let ranked = rank_all(&Profile::BALANCED, &all, 1.0);
    assert!(ranked.windows(2).all(|pair| pair[0].score > pair[1].score));
}

#[test]
fn profiles_out_of_bounds_are_refused() {
    let with = |change: fn(&mut Profile)| {
        let mut profile = Profile::BALANCED;
        change(&mut profile);
        profile.check()
    };
    assert!(with(|_| {}).is_ok());
    assert!(Profile::PARK_2023.check().is_ok());
    for wrong in [
        with(|p| p.weights.relevance = -1.0),
        with(|p| p.weights.recency = f64::NAN),
        with(|p| p.weights = Weights { relevance: 0.0, recency: 0.0, importance: 0.0 }),
        with(|p| p.recency = Recency::HalfLife { hours: 0.0 }),
        with(|p| p.recency = Recency::PerHour { share: 1.5 }),
        with(|p| p.fusion = Fusion::Linear { vector: 1.1 }),
        with(|p| p.fusion = Fusion::ReciprocalRank { constant: -1.0 }),
    ] {
        assert!(wrong.is_err());
    }
}
