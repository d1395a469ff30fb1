//! Instants.

use gamemesh_domain::{Error, Result};
use prost_types::Timestamp;

const MICROS: i64 = 1_000_000;

pub(crate) fn to_timestamp(time_us: i64) -> Timestamp {
    Timestamp {
        seconds: time_us.div_euclid(MICROS),
        nanos: (time_us.rem_euclid(MICROS) * 1_000) as i32,
    }
}

/// Microseconds since the Unix epoch; digits below are cut off. Years 1 to 9999, as the type says.
pub(crate) fn from_timestamp(field: &str, timestamp: &Timestamp) -> Result<i64> {
    const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    if !SECONDS.contains(&timestamp.seconds) || !(0..1_000_000_000).contains(&timestamp.nanos) {
        return Err(Error::invalid(field, "accepts an instant of the years 1 to 9999"));
    }
    Ok(timestamp.seconds * MICROS + i64::from(timestamp.nanos / 1_000))
}
