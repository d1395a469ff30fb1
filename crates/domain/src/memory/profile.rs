//! What counts how much.

use crate::{Error, Result};

/// How much each term counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    pub relevance: f64,
    pub recency: f64,
    pub importance: f64,
}

/// How recency falls with age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recency {
    /// To the half in so many hours.
    HalfLife { hours: f64 },
    /// To this share with every hour.
    PerHour { share: f64 },
}

/// What the age is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecencyBasis {
    /// When it happened.
    Created,
    /// When it last came to mind.
    Accessed,
}

/// How vector and words become one relevance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// The mean of both, each from 0 for the worst candidate to 1 for the best. `vector` is the vector's
    /// weight; the weight of words is the rest, times the square of how much of the question the best
    /// match has: a word in common says little where the question has many.
    Linear { vector: f64 },
    /// The sum of `1 / (constant + rank)`, on the scale of what a first rank in both would have.
    ReciprocalRank { constant: f64 },
}

/// How candidates are ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    pub weights: Weights,
    pub recency: Recency,
    pub basis: RecencyBasis,
    pub fusion: Fusion,
    /// Whether recency and importance, too, go from 0 for the least of the candidates to 1 for the most.
    pub normalised: bool,
}

impl Profile {
    pub const WEIGHT_MAX: f64 = 1_000.0;
    /// A hundred years.
    pub const HALF_LIFE_HOURS_MAX: f64 = 876_600.0;
    pub const RANK_CONSTANT_MAX: f64 = 10_000.0;

    /// What is asked about comes first; of what is nearly alike, the recent and the important.
    pub const BALANCED: Self = Self {
        weights: Weights { relevance: 1.0, recency: 0.1, importance: 0.1 },
        recency: Recency::HalfLife { hours: 168.0 },
        basis: RecencyBasis::Created,
        fusion: Fusion::Linear { vector: 0.5 },
        normalised: false,
    };

    /// Park et al., "Generative Agents" (2023), section 4.1: three terms of the same weight, each
    /// min–max scaled; recency falls by 0.995 with every hour since the last retrieval.
    pub const PARK_2023: Self = Self {
        weights: Weights { relevance: 1.0, recency: 1.0, importance: 1.0 },
        recency: Recency::PerHour { share: 0.995 },
        basis: RecencyBasis::Accessed,
        fusion: Fusion::Linear { vector: 1.0 },
        normalised: true,
    };

    pub fn check(&self) -> Result<()> {
        let Weights { relevance, recency, importance } = self.weights;
        let weights = [("relevance", relevance), ("recency", recency), ("importance", importance)];
        for (name, weight) in weights {
            if !(0.0..=Self::WEIGHT_MAX).contains(&weight) {
                return Err(Error::invalid(format!("profile.{name}Weight"), "accepts 0 to 1000"));
            }
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            return Err(Error::invalid("profile", "at least one weight is above 0"));
        }
        match self.recency {
            Recency::HalfLife { hours } if !(hours > 0.0 && hours <= Self::HALF_LIFE_HOURS_MAX) => {
                let what = "accepts more than 0 and at most 876600";
                return Err(Error::invalid("profile.halfLifeHours", what));
            }
            Recency::PerHour { share } if !(share > 0.0 && share <= 1.0) => {
                let what = "accepts more than 0 and at most 1";
                return Err(Error::invalid("profile.decayPerHour", what));
            }
            Recency::HalfLife { .. } | Recency::PerHour { .. } => {}
        }
        match self.fusion {
            Fusion::Linear { vector } if !(0.0..=1.0).contains(&vector) => {
                Err(Error::invalid("profile.vectorShare", "accepts 0 to 1"))
            }
            Fusion::ReciprocalRank { constant }
                if !(0.0..=Self::RANK_CONSTANT_MAX).contains(&constant) =>
            {
                Err(Error::invalid("profile.rankConstant", "accepts 0 to 10000"))
            }
            Fusion::Linear { .. } | Fusion::ReciprocalRank { .. } => Ok(()),
        }
    }

    /// The recency, 0 to 1, of something of this age. What lies in the future is as recent as now.
    pub fn recency_of(&self, age_us: i64) -> f64 {
        let hours = age_us.max(0) as f64 / 3_600e6;
        match self.recency {
            Recency::HalfLife { hours: half } => (-hours / half).exp2(),
            Recency::PerHour { share } => share.powf(hours),
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::BALANCED
    }
}
