//! The exact best of a score whose costliest part is known to within an interval.

use super::score::{Candidate, Range, Scales, Scored, order};
use super::{Fusion, Interval, Profile};

/// The best `count` candidates, best first, exactly as [`super::rank_all`] has them when it is given the
/// exact similarities; `full` is theirs. `exact` tells the similarity of a candidate, which must lie in its interval; it is
/// asked at most once for each, and only for those whose interval leaves something open: the ends of the
/// range, and whoever can still be among the best.
pub fn select(
    profile: &Profile,
    candidates: &[Candidate],
    full: f64,
    count: usize,
    mut exact: impl FnMut(usize) -> f64,
) -> Vec<Scored> {
    let mut known = Known {
        values: candidates
            .iter()
            .map(|candidate| candidate.similarity.filter(Interval::is_exact).map(|s| s.low))
            .collect(),
        exact: &mut exact,
    };
    let with_vector = || {
        let all = candidates.iter().enumerate();
        all.filter_map(|(index, candidate)| Some((index, candidate.similarity?)))
    };
    if matches!(profile.fusion, Fusion::ReciprocalRank { .. }) {
        // A rank is a statement about all of them.
        for (index, _) in with_vector() {
            known.get(index);
        }
    }
    let range = ends(with_vector, &mut known);
    let exact = matches!(profile.fusion, Fusion::ReciprocalRank { .. }).then_some(&known.values);
    let scales = Scales::new(profile, candidates, full, range, exact.map(Vec::as_slice));

    let mut lows: Vec<f64> = Vec::with_capacity(candidates.len());
    let mut highs: Vec<f64> = Vec::with_capacity(candidates.len());
    for (index, candidate) in candidates.iter().enumerate() {
        let at = |similarity| scales.score(index, candidate, similarity).score;
        match (known.values[index], candidate.similarity) {
            (None, Some(interval)) => {
                lows.push(at(Some(interval.low)));
                highs.push(at(Some(interval.high)));
            }
            (value, _) => {
                lows.push(at(value));
                highs.push(at(value));
            }
        }
    }
    let threshold = nth_best(&lows, count);
    let open = (0..candidates.len()).filter(|index| highs[*index] >= threshold);
    let mut best: Vec<Scored> = open
        .map(|index| {
            let candidate = &candidates[index];
            let similarity = candidate.similarity.map(|_| known.get(index));
            scales.score(index, candidate, similarity)
        })
        .collect();
    best.sort_by(|a, b| order(candidates, a, b));
    best.truncate(count);
    best
}

struct Known<'a> {
    values: Vec<Option<f64>>,
    exact: &'a mut dyn FnMut(usize) -> f64,
}

impl Known<'_> {
    fn get(&mut self, index: usize) -> f64 {
        *self.values[index].get_or_insert_with(|| (self.exact)(index))
    }
}

/// The exact least and most: whoever can be either is asked.
fn ends<I: Iterator<Item = (usize, Interval)>>(
    all: impl Fn() -> I,
    known: &mut Known<'_>,
) -> Range {
    let at_least = all().map(|(_, interval)| interval.low).fold(f64::NEG_INFINITY, f64::max);
    let at_most = all().map(|(_, interval)| interval.high).fold(f64::INFINITY, f64::min);
    let can_be = all().filter(|(_, interval)| interval.high >= at_least || interval.low <= at_most);
    Range::of(can_be.map(|(index, _)| known.get(index)).collect::<Vec<_>>())
}

/// The score that at least `count` candidates reach for certain.
fn nth_best(scores: &[f64], count: usize) -> f64 {
    if count == 0 {
        return f64::INFINITY;
    }
    if count >= scores.len() {
        return f64::NEG_INFINITY;
    }
    let mut scores = scores.to_vec();
    let (_, nth, _) = scores.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    *nth
}
