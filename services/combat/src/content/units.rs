//! Units as people write them, and as the rules count them.

use gamemesh_domain::combat::Vec3;
use serde::Deserialize;

/// The largest distance that a file may name.
const METRES_MAX: f64 = 16_384.0;

/// Metres; in the rules 1/1,024 of one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Metres(i32);

/// Degrees; in the rules 1/65,536 of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Degrees(i32);

/// A factor such as 0.85; in the rules thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Factor(u32);

/// A place in metres.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Place(Metres, Metres, Metres);

impl Metres {
    pub(super) const fn q(self) -> i32 {
        self.0
    }

    /// Where only a length makes sense.
    pub(super) const fn length_q(self) -> u32 {
        if self.0 < 0 { 0 } else { self.0 as u32 }
    }
}

impl Degrees {
    pub(super) const fn units(self) -> i32 {
        self.0
    }
}

impl Factor {
    pub(super) const ONE: Self = Self(1_000);
    pub(super) const ZERO: Self = Self(0);

    pub(super) const fn permille(self) -> u32 {
        self.0
    }
}

impl Place {
    pub(super) const fn q(self) -> Vec3 {
        Vec3 { x: self.0.q(), y: self.1.q(), z: self.2.q() }
    }
}

impl TryFrom<f64> for Metres {
    type Error = String;

    fn try_from(metres: f64) -> Result<Self, String> {
        if !metres.is_finite() || metres.abs() > METRES_MAX {
            return Err(format!("accepts metres from -{METRES_MAX} to {METRES_MAX}"));
        }
        Ok(Self((metres * 1_024.0).round() as i32))
    }
}

impl TryFrom<f64> for Degrees {
    type Error = String;

    fn try_from(degrees: f64) -> Result<Self, String> {
        if !degrees.is_finite() || degrees.abs() > 360.0 {
            return Err("accepts degrees from -360 to 360".to_owned());
        }
        Ok(Self((degrees * 65_536.0 / 360.0).round() as i32))
    }
}

impl TryFrom<f64> for Factor {
    type Error = String;

    fn try_from(factor: f64) -> Result<Self, String> {
        if !(0.0..=1_000.0).contains(&factor) {
            return Err("accepts a factor from 0 to 1000".to_owned());
        }
        Ok(Self((factor * 1_000.0).round() as u32))
    }
}
