//! Instants as people write and read them.

use prost_types::Timestamp;

use crate::exit::{Outcome, Problem};

/// RFC 3339, such as `2026-01-31T12:00:00Z`.
pub(crate) fn parse(text: &str) -> Outcome<Timestamp> {
    text.parse().map_err(|_| {
        Problem::usage(format!(
            "{text:?} is not an instant such as 2026-01-31T12:00:00Z (RFC 3339)"
        ))
    })
}

pub(crate) fn show(time: Option<&Timestamp>) -> String {
    time.map(ToString::to_string).unwrap_or_default()
}
