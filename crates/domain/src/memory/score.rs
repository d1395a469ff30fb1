//! The whole score of a candidate, with each of its terms.

use std::cmp::Ordering;

use super::{Fusion, MemoryId, Profile};

/// Where a number lies that is not known exactly yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub const fn exact(value: f64) -> Self {
        Self { low: value, high: value }
    }

    pub const fn is_exact(&self) -> bool {
        self.low == self.high
    }
}

/// What is known of a memory before it is scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub id: MemoryId,
    pub created_us: i64,
    /// The similarity of its vector to that of the question; `None` where one of them has no vector.
    pub similarity: Option<Interval>,
    /// How well its words match; `None` where the question has no words.
    pub words: Option<f64>,
    /// 0 to 1.
    pub recency: f64,
    /// 0 to 1.
    pub importance: f64,
}

/// One term: what it was, what became of it in the scale of the score, and what that added.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Term {
    pub raw: f64,
    pub scaled: f64,
    pub weighted: f64,
}

/// A candidate with its score. `index` is its place among the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub index: usize,
    pub score: f64,
    pub similarity: Option<f64>,
    pub words: Option<f64>,
    /// The share of words in the relevance, 0 to 1; 0 where ranks are fused.
    pub words_share: f64,
    pub relevance: Term,
    pub recency: Term,
    pub importance: Term,
}

/// The least and the most of a number over all candidates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

impl Range {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let empty = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
        values.into_iter().fold(empty, |range, value| Self {
            low: range.low.min(value),
            high: range.high.max(value),
        })
    }

    /// 0 for the least, 1 for the most. Where all are alike, each is the most.
    fn scale(self, value: f64) -> f64 {
        if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 1.0 }
    }
}

/// What must be known of all candidates before one can be scored.
pub(super) struct Scales {
    profile: Profile,
    similarity: Range,
    words: Range,
    recency: Range,
    importance: Range,
    has_vector: bool,
    has_words: bool,
    words_share: f64,
    /// For reciprocal ranks: the parts that the two ranks of each candidate give.
    ranks: Option<Vec<f64>>,
}

impl Scales {
    /// `full` is what a match of the whole question would score by its words; `similarity` is the exact
    /// range; `exact` the exact similarities, which only ranks need all of.
    pub(super) fn new(
        profile: &Profile,
        candidates: &[Candidate],
        full: f64,
        similarity: Range,
        exact: Option<&[Option<f64>]>,
    ) -> Self {
        let has_vector = candidates.iter().any(|candidate| candidate.similarity.is_some());
        let words = Range::of(candidates.iter().filter_map(|candidate| candidate.words));
        // Words that nobody has order nothing.
        let has_words = words.high > 0.0;
        let ranks = match (profile.fusion, exact) {
            (Fusion::ReciprocalRank { constant }, Some(exact)) => {
                Some(reciprocal_ranks(candidates, exact, constant, has_vector, has_words))
            }
            _ => None,
        };
        Self {
            profile: *profile,
            similarity,
            words,
            recency: Range::of(candidates.iter().map(|candidate| candidate.recency)),
            importance: Range::of(candidates.iter().map(|candidate| candidate.importance)),
            has_vector,
            has_words,
            words_share: match profile.fusion {
                Fusion::Linear { vector } if has_vector && has_words => {
                    words_share(vector, words.high / full)
                }
                Fusion::Linear { .. } if has_words => 1.0,
                Fusion::Linear { .. } | Fusion::ReciprocalRank { .. } => 0.0,
            },
            ranks,
        }
    }

    /// The score if the similarity were this. It never falls as the similarity grows, also in floating
    /// point: every step rounds monotonically.
    pub(super) fn score(
        &self,
        index: usize,
        candidate: &Candidate,
        similarity: Option<f64>,
    ) -> Scored {
        let weights = self.profile.weights;
        let relevance = self.relevance(index, candidate, similarity);
        let scaled = |range: Range, value: f64| match self.profile.normalised {
            true => range.scale(value),
            false => value,
        };
        let term =
            |raw: f64, scaled: f64, weight: f64| Term { raw, scaled, weighted: weight * scaled };
        let recency = scaled(self.recency, candidate.recency);
        let importance = scaled(self.importance, candidate.importance);
        let relevance = term(relevance, relevance, weights.relevance);
        let recency = term(candidate.recency, recency, weights.recency);
        let importance = term(candidate.importance, importance, weights.importance);
        Scored {
            index,
            score: relevance.weighted + recency.weighted + importance.weighted,
            similarity,
            words: candidate.words,
            words_share: self.words_share,
            relevance,
            recency,
            importance,
        }
    }

    fn relevance(&self, index: usize, candidate: &Candidate, similarity: Option<f64>) -> f64 {
        if let Some(ranks) = &self.ranks {
            return ranks[index];
        }
        // A memory whose vector is not made yet is as far as the farthest.
        let vector = || similarity.map_or(0.0, |similarity| self.similarity.scale(similarity));
        let words = || candidate.words.map_or(0.0, |words| self.words.scale(words));
        let share = self.words_share;
        match (self.has_vector, self.has_words) {
            (true, true) => (1.0 - share) * vector() + share * words(),
            (true, false) => vector(),
            (false, true) => words(),
            (false, false) => 0.0,
        }
    }
}

/// The share of words where the vector has this weight and the best match this part of a full match.
/// Weighed by the square: half of the words of a question may well be of another thing.
fn words_share(vector: f64, matched: f64) -> f64 {
    let words = (1.0 - vector) * matched.min(1.0).powi(2);
    // A vector without weight leaves everything to the words.
    words / (vector + words)
}

/// A candidate that one of the two does not find has no rank there and nothing from it.
fn reciprocal_ranks(
    candidates: &[Candidate],
    exact: &[Option<f64>],
    constant: f64,
    has_vector: bool,
    has_words: bool,
) -> Vec<f64> {
    let mut parts = vec![0.0; candidates.len()];
    let mut add = |values: Vec<(usize, f64)>| {
        let mut order = values;
        order.sort_by(|a, b| by_value(candidates, *a, *b));
        for (rank, (index, _)) in order.into_iter().enumerate() {
            parts[index] += 1.0 / (constant + (rank + 1) as f64);
        }
    };
    if has_vector {
        add(exact.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect());
    }
    if has_words {
        let found = candidates.iter().enumerate();
        add(found
            .filter_map(|(at, c)| Some((at, c.words.filter(|words| *words > 0.0)?)))
            .collect());
    }
    let lists = f64::from(u8::from(has_vector) + u8::from(has_words)).max(1.0);
    let first = lists / (constant + 1.0);
    parts.into_iter().map(|part| part / first).collect()
}

fn by_value(candidates: &[Candidate], a: (usize, f64), b: (usize, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then_with(|| tie(&candidates[a.0], &candidates[b.0]))
}

/// Of equals the newer comes first, then the smaller id.
fn tie(a: &Candidate, b: &Candidate) -> Ordering {
    b.created_us.cmp(&a.created_us).then(a.id.cmp(&b.id))
}

/// Best first.
pub(super) fn order(candidates: &[Candidate], a: &Scored, b: &Scored) -> Ordering {
    let ties = || tie(&candidates[a.index], &candidates[b.index]);
    b.score.total_cmp(&a.score).then_with(ties)
}

/// All candidates in their order, each similarity being exact: the whole truth, at the whole price. `full`
/// is what a match of the whole question would score by its words.
pub fn rank_all(profile: &Profile, candidates: &[Candidate], full: f64) -> Vec<Scored> {
    let exact: Vec<Option<f64>> =
        candidates.iter().map(|candidate| candidate.similarity.map(|s| s.low)).collect();
    let range = Range::of(exact.iter().copied().flatten());
    let scales = Scales::new(profile, candidates, full, range, Some(&exact));
    let scored = candidates.iter().zip(&exact).enumerate();
    let mut all: Vec<Scored> =
        scored.map(|(index, (candidate, exact))| scales.score(index, candidate, *exact)).collect();
    all.sort_by(|a, b| order(candidates, a, b));
    all
}
