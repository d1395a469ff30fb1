//! The vector that others are compared with.

use crate::bytes::STRIDE;
use crate::exact::{dot, length};

/// A question, on a scale of 16-bit numbers and as it came.
#[derive(Debug, Clone)]
pub struct Question {
    pub(crate) codes: Vec<i16>,
    pub(crate) floats: Vec<f32>,
    pub(crate) scale: f64,
    pub(crate) length: f64,
    /// Length of what rounding took away.
    pub(crate) error: f64,
}

impl Question {
    /// All numbers are finite.
    pub fn new(vector: &[f32]) -> Self {
        const STEPS: f64 = 32_767.0;
        let largest = vector.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        let scale = f64::from(largest) / STEPS;
        let mut codes = vec![0; vector.len().next_multiple_of(STRIDE)];
        let mut error = 0.0;
        if scale > 0.0 {
            for (code, number) in codes.iter_mut().zip(vector) {
                let number = f64::from(*number);
                *code = (number / scale).round().clamp(-STEPS, STEPS) as i16;
                error += (number - f64::from(*code) * scale).powi(2);
            }
        }
        Self { codes, floats: vector.to_vec(), scale, length: length(vector), error: error.sqrt() }
    }

    /// The exact cosine of the angle to another vector of its length; none where one has no direction.
    pub fn cosine(&self, other: &[f32]) -> Option<f64> {
        let lengths = self.length * length(other);
        (lengths > 0.0).then(|| dot(&self.floats, other) / lengths)
    }
}
