//! Timestamps (RFC 3339) and durations (`1.5s`) between text and their two numbers.

use crate::schema::Shape;

const NANOS: i64 = 1_000_000_000;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;
/// About 10,000 years.
const DURATION_SECONDS_MAX: i64 = 315_576_000_000;

const NANOS_MAX: i64 = 999_999_999;

/// The values of one field of a timestamp or duration.
pub(super) fn part_range(shape: Shape, field: &str) -> Option<(i64, i64)> {
    match (shape, field) {
        (Shape::Timestamp, "seconds") => Some((SECONDS_MIN, SECONDS_MAX)),
        (Shape::Timestamp, "nanos") => Some((0, NANOS_MAX)),
        (Shape::Duration, "seconds") => Some((-DURATION_SECONDS_MAX, DURATION_SECONDS_MAX)),
        (Shape::Duration, "nanos") => Some((-NANOS_MAX, NANOS_MAX)),
        _ => None,
    }
}

/// Seconds since 1970 and nanoseconds of an RFC 3339 text from year 1 to 9999.
pub(super) fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    };
    let mark = |at: usize, mark: u8| (bytes.get(at) == Some(&mark)).then_some(());

    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    mark(4, b'-')?;
    mark(7, b'-')?;
    mark(10, b'T')?;
    mark(13, b':')?;
    mark(16, b':')?;
    if !(1..=12).contains(&month)
        || !(1..=days_in_month(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let (nanos, zone) = fraction(&bytes[19..])?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|d| d.is_ascii_digit()) =>
        {
            let two = |a: &u8, b: &u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    (SECONDS_MIN..=SECONDS_MAX).contains(&seconds).then_some((seconds, nanos))
}

/// The text of a timestamp, or `None` if it lies outside years 1 to 9999.
pub(super) fn format_timestamp(seconds: i64, nanos: i32) -> Option<String> {
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) || !(0..NANOS).contains(&i64::from(nanos)) {
        return None;
    }
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = format_fraction(nanos);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// Seconds and nanoseconds, of one sign, of a text such as `-1.5s`.
pub(super) fn parse_duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let seconds: i64 = text[..digits].parse().ok()?;
    let (nanos, rest) = fraction(&text.as_bytes()[digits..])?;
    if !rest.is_empty() || seconds > DURATION_SECONDS_MAX {
        return None;
    }
    Some((sign * seconds, sign as i32 * nanos))
}

/// The text of a duration, or `None` if it is out of range or its parts differ in sign.
pub(super) fn format_duration(seconds: i64, nanos: i32) -> Option<String> {
    let mixed = (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0);
    if mixed || seconds.abs() > DURATION_SECONDS_MAX || i64::from(nanos).abs() >= NANOS {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format_fraction(nanos.abs());
    Some(format!("{sign}{}{fraction}s", seconds.abs()))
}

/// Nanoseconds of a `.123` at the start, if there is one, and what follows.
fn fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let [b'.', rest @ ..] = bytes else { return Some((0, bytes)) };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let value = rest[..digits].iter().fold(0, |n, d| n * 10 + i32::from(d - b'0'));
    Some((value * 10i32.pow(9 - digits as u32), &rest[digits..]))
}

/// Nothing, or three, six or nine digits.
fn format_fraction(nanos: i32) -> String {
    match nanos {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin with March so that
/// the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_and_write() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some((0, 0)), "1970-01-01T00:00:00Z"),
            (
                "2024-02-29T12:34:56.5Z",
                Some((1_709_210_096, 500_000_000)),
                "2024-02-29T12:34:56.500Z",
            ),
            (
                "2024-02-29T12:34:56.000001+02:00",
                Some((1_709_202_896, 1000)),
                "2024-02-29T10:34:56.000001Z",
            ),
            ("0001-01-01T00:00:00Z", Some((SECONDS_MIN, 0)), "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                Some((SECONDS_MAX, 999_999_999)),
                "9999-12-31T23:59:59.999999999Z",
            ),
            ("1969-12-31T23:59:59Z", Some((-1, 0)), "1969-12-31T23:59:59Z"),
            ("2023-02-29T00:00:00Z", None, ""),
            ("2024-13-01T00:00:00Z", None, ""),
            ("2024-01-01T24:00:00Z", None, ""),
            ("2024-01-01 00:00:00Z", None, ""),
            ("2024-01-01T00:00:00", None, ""),
            ("2024-01-01T00:00:00.Z", None, ""),
            ("2024-01-01T00:00:00.1234567890Z", None, ""),
            ("0001-01-01T00:00:00+01:00", None, ""),
            ("2024-01-01T00:00:00+25:00", None, ""),
            ("", None, ""),
        ];
        for (text, expected, again) in cases {
            let parsed = parse_timestamp(text);
            assert_eq!(parsed, expected, "{text}");
            if let Some((seconds, nanos)) = parsed {
                assert_eq!(format_timestamp(seconds, nanos).as_deref(), Some(again));
            }
        }
    }

    #[test]
    fn every_day_of_four_centuries_goes_round() {
        for day in -200_000..200_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }

    #[test]
    fn durations_read_and_write() {
        let cases = [
            ("1.5s", Some((1, 500_000_000)), "1.500s"),
            ("-0.000000001s", Some((0, -1)), "-0.000000001s"),
            ("-3s", Some((-3, 0)), "-3s"),
            ("315576000000s", Some((DURATION_SECONDS_MAX, 0)), "315576000000s"),
            ("315576000001s", None, ""),
            ("1", None, ""),
            ("s", None, ""),
            ("1.s", None, ""),
            ("1m", None, ""),
            ("--1s", None, ""),
            ("99999999999999999999s", None, ""),
        ];
        for (text, expected, again) in cases {
            let parsed = parse_duration(text);
            assert_eq!(parsed, expected, "{text}");
            if let Some((seconds, nanos)) = parsed {
                assert_eq!(format_duration(seconds, nanos).as_deref(), Some(again));
            }
        }
        assert_eq!(format_duration(1, -1), None);
    }
}
