//! A number that players are ranked by.

use std::cmp::Ordering;

/// A fraction of two whole numbers, compared exactly: no rounding puts one player before another.
/// A plain figure has the denominator 1.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    pub numerator: u64,
    /// Not 0.
    pub denominator: u64,
}

impl Score {
    pub const fn whole(value: u64) -> Self {
        Self { numerator: value, denominator: 1 }
    }

    /// For people; nothing is decided on it.
    pub fn value(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        product(self.numerator, other.denominator).cmp(&product(other.numerator, self.denominator))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}
