//! Instants and durations.

use std::time::Duration;

use gamemesh_domain::{Error, Result};

pub(crate) fn to_timestamp(time_us: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time_us.div_euclid(1_000_000),
        nanos: (time_us.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// An instant that may lie anywhere; the domain says which are accepted.
pub(crate) fn from_timestamp(timestamp: &prost_types::Timestamp) -> i64 {
    timestamp.seconds.saturating_mul(1_000_000).saturating_add(i64::from(timestamp.nanos / 1_000))
}

pub(crate) fn to_duration(us: u64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: (us / 1_000_000) as i64,
        nanos: (us % 1_000_000 * 1_000) as i32,
    }
}

/// A duration within bounds.
pub(crate) fn from_duration(
    field: &str,
    duration: &prost_types::Duration,
    min: Duration,
    max: Duration,
) -> Result<Duration> {
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    u64::try_from(duration.seconds)
        .ok()
        .zip(nanos)
        .map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .filter(|duration| (min..=max).contains(duration))
        .ok_or_else(|| Error::invalid(field, format!("accepts {min:?} to {max:?}")))
}
