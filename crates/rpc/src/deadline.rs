//! The caller's deadline, `grpc-timeout`.

use std::time::{Duration, Instant};

use gamemesh_domain::{Code, Error};
use http::{HeaderMap, HeaderValue};

const HEADER: &str = "grpc-timeout";

/// The specification allows this many digits before the unit.
const DIGITS_MAX: usize = 8;

/// When the caller stops waiting. It is in the request's extensions when he said so; work that is
/// handed to a queue takes it along, so that nobody does what nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// The time that the caller gives, shortened to `max`; `None` when he sets no deadline.
pub fn timeout(headers: &HeaderMap, max: Duration) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or("not ASCII");
    parse(text).map(|timeout| Some(timeout.min(max))).ok_or_else(|| {
        Error::invalid(
            HEADER,
            format!("{text:?} is not 1 to 8 digits and a unit of H, M, S, m, u or n, such as 500m"),
        )
    })
}

/// Tells whoever is called how long he is waited for, in the finest unit that eight digits hold.
pub fn put(headers: &mut HeaderMap, timeout: Duration) {
    let units = [(timeout.as_nanos(), 'n'), (timeout.as_micros(), 'u'), (timeout.as_millis(), 'm')];
    let (number, unit) = units
        .into_iter()
        .find(|(number, _)| *number < 100_000_000)
        .unwrap_or((u128::from(timeout.as_secs().min(99_999_999)), 'S'));
    let value = HeaderValue::try_from(format!("{number}{unit}"));
    headers.insert(HEADER, value.expect("digits and a letter are visible"));
}

/// The answer to a caller whose deadline has passed.
pub fn exceeded() -> Error {
    Error::new(Code::DeadlineExceeded, "the deadline passed before the call was done")
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty()
        || digits.len() > DIGITS_MAX
        || !digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_specification_accepts() {
        let table = [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("500m", Some(Duration::from_millis(500))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("0S", Some(Duration::ZERO)),
            ("100000000n", None),
            ("", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("-5S", None),
            ("+5S", None),
            ("1.5S", None),
            ("5 S", None),
            ("5é", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_deadline_is_shortened_and_a_malformed_one_is_named() {
        let mut headers = HeaderMap::new();
        assert_eq!(timeout(&headers, Duration::from_secs(5)), Ok(None));
        headers.insert(HEADER, http::HeaderValue::from_static("99999999H"));
        assert_eq!(timeout(&headers, Duration::from_secs(5)), Ok(Some(Duration::from_secs(5))));
        headers.insert(HEADER, http::HeaderValue::from_static("soon"));
        let error = timeout(&headers, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("grpc-timeout") && error.message.contains("soon"));
    }
}
