//! Instants as RFC 3339 text, in microseconds since the Unix epoch.

const DAY_S: i64 = 86_400;

/// Reads `2026-11-21T06:44:52.125Z`, or with an offset such as `+01:00`, from year 1 to year 9999.
/// Digits below the microsecond are cut off. A leap second is the second after it.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| digits(bytes.get(from..to)?);
    let is = |at: usize, accepted: &[u8]| bytes.get(at).is_some_and(|byte| accepted.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1 || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, rest) = fraction(&bytes[19..])?;
    let offset_s = offset(rest)?;
    let seconds = civil_day(year, month, day) * DAY_S + hour * 3_600 + minute * 60 + second;
    Some((seconds - offset_s) * 1_000_000 + micros)
}

/// The text of an instant, in UTC, with as many digits as it needs.
pub fn format_timestamp(time_us: i64) -> String {
    let (seconds, micros) = (time_us.div_euclid(1_000_000), time_us.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if micros > 0 {
        let fraction = format!(".{micros:06}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else {
        return Some((0, bytes));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let used = length.min(6);
    let micros = digits(&rest[..used])? * 10_i64.pow(6 - used as u32);
    Some((micros, &rest[length..]))
}

fn offset(bytes: &[u8]) -> Option<i64> {
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            let valid = hours <= 23 && minutes <= 59;
            valid.then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, counted in years that begin in March, so that the leap day is the last.
pub(crate) const fn civil_day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let (year, day) = (year.rem_euclid(400), (153 * month + 2) / 5 + day - 1);
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
pub(crate) const fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + (month <= 2) as i64;
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        let second = 1_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.5Z", Some(-second / 2)),
            ("2000-02-29T12:00:00Z", Some(951_825_600 * second)),
            ("2026-11-21T06:44:52.125Z", Some(1_795_243_492 * second + 125_000)),
            ("2026-11-21T07:44:52.125999999+01:00", Some(1_795_243_492 * second + 125_999)),
            ("2026-11-21 06:44:52z", Some(1_795_243_492 * second)),
            ("1999-12-31T23:59:60Z", Some(946_684_800 * second)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800 * second)),
            ("9999-12-31T23:59:59.999999Z", Some(253_402_300_799 * second + 999_999)),
            ("0000-01-01T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-31T00:00:00Z", None),
            ("2026-11-21T24:00:00Z", None),
            ("2026-11-21T06:44:52", None),
            ("2026-11-21T06:44:52.Z", None),
            ("2026-11-21T06:44:52+0100", None),
            ("2026-11-21T06:44:52+01:000", None),
            ("2026-11-21", None),
            ("", None),
            ("２０26-11-21T06:44:52Z", None),
        ] {
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(time_us in -62_135_596_800_000_000..253_402_300_799_999_999_i64) {
            proptest::prop_assert_eq!(parse_timestamp(&format_timestamp(time_us)), Some(time_us));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", near in "[0-9TZ:.+ -]{17,32}") {
            parse_timestamp(&text);
            parse_timestamp(&near);
        }
    }
}
