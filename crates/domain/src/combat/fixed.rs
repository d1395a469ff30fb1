//! Fixed-point space: positions in 1/1024 m, angles in 1/65536 of a turn, nothing in floating point.
//!
//! The axes are right-handed: x and y lie in the ground, z points up. Yaw 0 looks along +x and turns
//! towards +y; pitch 0 looks at the horizon and grows upwards. Every coordinate that enters is checked
//! against [`WORLD_ABS_MAX_Q`] first, which is what makes the `i64` and `i128` arithmetic here unable to
//! overflow: a difference has 26 bits, a dot product 54.

mod sine;

use super::wire::wire_struct;

pub use sine::{cos_q30, sin_q30};

/// Position quanta per metre.
pub const QUANTA_PER_M: i32 = 1024;

/// The largest absolute coordinate, 16,384 m in quanta.
pub const WORLD_ABS_MAX_Q: i32 = 1 << 24;

/// The length of a [`Direction`]. 16 bits are finer than an angle unit, and leave room for exact
/// squares in `i128`.
pub const DIRECTION_ONE: i64 = 1 << 16;

/// Angle units per degree, times 1,000: 65,536 / 360.
const ANGLE_UNITS_PER_DEGREE_MILLI: u32 = 182_044;

/// A point or a difference of points, in quanta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Vec3 {
    pub x: i32,
    pub y: i32,
    pub z: i32,
}

wire_struct!(Vec3 { x, y, z });

/// A direction of length [`DIRECTION_ONE`], within rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Direction {
    pub x: i64,
    pub y: i64,
    pub z: i64,
}

/// Where somebody looks or shoots. `pitch` lies within ±[`Look::PITCH_ABS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Look {
    /// 1/65536 of a turn.
    pub yaw: u16,
    /// 1/65536 of a turn; ±16,384 is straight up and down.
    pub pitch: i16,
}

wire_struct!(Look { yaw, pitch });

impl Vec3 {
    pub const ZERO: Self = Self::new(0, 0, 0);

    pub const fn new(x: i32, y: i32, z: i32) -> Self {
        Self { x, y, z }
    }

    /// Whether every coordinate is within ±[`WORLD_ABS_MAX_Q`].
    pub const fn is_in_world(self) -> bool {
        in_world(self.x) && in_world(self.y) && in_world(self.z)
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            x: self.x.saturating_add(other.x),
            y: self.y.saturating_add(other.y),
            z: self.z.saturating_add(other.z),
        }
    }

    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            x: self.x.saturating_sub(other.x),
            y: self.y.saturating_sub(other.y),
            z: self.z.saturating_sub(other.z),
        }
    }

    #[must_use]
    pub const fn raised(self, z: i32) -> Self {
        Self { x: self.x, y: self.y, z: self.z.saturating_add(z) }
    }

    pub const fn dot(self, other: Self) -> i64 {
        self.x as i64 * other.x as i64
            + self.y as i64 * other.y as i64
            + self.z as i64 * other.z as i64
    }

    /// Squared length, in quanta².
    pub const fn squared(self) -> i64 {
        self.dot(self)
    }

    /// Length in quanta, rounded up: a distance is never taken for shorter than it is.
    pub const fn length_q(self) -> i64 {
        sqrt_up(self.squared())
    }

    /// Length of the part in the ground, rounded up.
    pub const fn ground_length_q(self) -> i64 {
        sqrt_up(Self { z: 0, ..self }.squared())
    }

    /// The point at `numerator / denominator` of the way to `other`, rounded towards minus infinity.
    #[must_use]
    pub fn towards(self, other: Self, numerator: i64, denominator: i64) -> Self {
        let part = |from: i32, to: i32| {
            let way = (i64::from(to) - i64::from(from)) * numerator;
            (i64::from(from) + way.div_euclid(denominator)) as i32
        };
        Self { x: part(self.x, other.x), y: part(self.y, other.y), z: part(self.z, other.z) }
    }
}

impl Look {
    pub const PITCH_ABS_MAX: i16 = 16_384;

    pub const fn new(yaw: u16, pitch: i16) -> Self {
        Self { yaw, pitch }
    }

    pub const fn is_valid(self) -> bool {
        self.pitch.unsigned_abs() <= Self::PITCH_ABS_MAX.unsigned_abs()
    }

    /// The direction that it points in.
    pub fn direction(self) -> Direction {
        let pitch = self.pitch as u16;
        let (level, up) = (i64::from(cos_q30(pitch)), i64::from(sin_q30(pitch)));
        let (cos, sin) = (i64::from(cos_q30(self.yaw)), i64::from(sin_q30(self.yaw)));
        // Q30 × Q30 → Q60, rounded to Q16.
        let to_q16 = |q60: i64| (q60 + (1 << 43)) >> 44;
        Direction { x: to_q16(level * cos), y: to_q16(level * sin), z: (up + (1 << 13)) >> 14 }
    }
}

impl Direction {
    pub const fn squared(self) -> i64 {
        self.x * self.x + self.y * self.y + self.z * self.z
    }

    pub const fn dot(self, other: Self) -> i64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    /// Dot product with a difference of points: quanta × [`DIRECTION_ONE`].
    pub const fn along(self, way: Vec3) -> i64 {
        self.x * way.x as i64 + self.y * way.y as i64 + self.z * way.z as i64
    }

    /// Whether the angle to `other` is at most `angle` (1/65536 of a turn). From half a turn on
    /// everything is within.
    pub fn is_within(self, other: Self, angle: u32) -> bool {
        if angle >= 32_768 {
            return true;
        }
        // dot ≥ cos(angle)·|a|·|b|, with |a| and |b| the true lengths of the rounded directions.
        let lengths = i128::from(self.squared()) * i128::from(other.squared());
        let lengths = lengths.isqrt();
        (i128::from(self.dot(other)) << 30) >= i128::from(cos_q30(angle as u16)) * lengths
    }

    /// The point `distance_q` away from `origin`.
    pub fn point(self, origin: Vec3, distance_q: i64) -> Vec3 {
        let part = |from: i32, along: i64| {
            let way = (along * distance_q).div_euclid(DIRECTION_ONE);
            (i64::from(from) + way).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
        };
        Vec3 { x: part(origin.x, self.x), y: part(origin.y, self.y), z: part(origin.z, self.z) }
    }
}

const fn in_world(coordinate: i32) -> bool {
    coordinate >= -WORLD_ABS_MAX_Q && coordinate <= WORLD_ABS_MAX_Q
}

/// The square root, rounded up. Negative numbers have 0.
pub const fn sqrt_up(square: i64) -> i64 {
    if square <= 0 {
        return 0;
    }
    let root = square.isqrt();
    if root * root == square { root } else { root + 1 }
}

/// Metres as quanta, for content that is written in metres: `3.5 m` is `quanta(3, 500)`.
pub const fn quanta(metres: i32, thousandths: i32) -> i32 {
    metres * QUANTA_PER_M + thousandths * QUANTA_PER_M / 1_000
}

/// Thousandths of a degree as angle units, rounded up.
pub const fn angle_units(degrees_milli: u32) -> u32 {
    let product = degrees_milli as u64 * ANGLE_UNITS_PER_DEGREE_MILLI as u64;
    product.div_ceil(1_000_000) as u32
}
