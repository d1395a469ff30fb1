//! Numbers that have one form only.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::limits::INT_ABS_MAX;
use crate::{Code, Error};

/// A number within ±(2^53 − 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    Int(i64),
    Fraction(Fraction),
}

/// A number that is not whole. Only [`Number::new`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Fraction(f64);

impl Number {
    /// `None` beyond ±(2^53 − 1).
    pub const fn int(value: i64) -> Option<Self> {
        if value.unsigned_abs() <= INT_ABS_MAX as u64 { Some(Self::Int(value)) } else { None }
    }

    /// `None` for NaN, the infinities and what lies beyond ±(2^53 − 1). −0 becomes 0.
    pub fn new(value: f64) -> Option<Self> {
        if value.is_nan() || value.abs() > INT_ABS_MAX as f64 {
            return None;
        }
        let whole = value as i64;
        Some(if whole as f64 == value { Self::Int(whole) } else { Self::Fraction(Fraction(value)) })
    }

    /// Exact, because every number that can be held is a double.
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Fraction(value) => value.0,
        }
    }

    /// The sum; `None` if it is beyond ±(2^53 − 1). Whole numbers stay whole.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::int(a.checked_add(b)?),
            _ => Self::new(self.as_f64() + other.as_f64()),
        }
    }

    /// The difference; `None` if it is beyond ±(2^53 − 1).
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::int(a.checked_sub(b)?),
            _ => Self::new(self.as_f64() - other.as_f64()),
        }
    }

    pub const fn is_negative(self) -> bool {
        self.as_f64() < 0.0
    }
}

impl Fraction {
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            _ => self.as_f64().total_cmp(&other.as_f64()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Every `i32` is within the range.
impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Fraction {}

impl Hash for Fraction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Fraction(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

pub(super) fn refusal() -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("a number must be finite and within ±{INT_ABS_MAX} (2^53 − 1)"),
    )
}
