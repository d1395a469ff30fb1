//! Numbers from text: the exact range of each kind, and words for what it accepts.

use crate::schema::Kind;

use super::lexer::number_length;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    NotANumber,
    NotAnInteger,
    OutOfRange,
}

/// A number as JSON writes it, and nothing around it.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && number_length(text.as_bytes()) == text.len()
}

/// The smallest and the largest value of an integer kind.
pub(super) fn range(kind: Kind) -> (i128, i128) {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_) => {
            (i32::MIN.into(), i32::MAX.into())
        }
        Kind::Uint32 | Kind::Fixed32 => (0, u32::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// An integer of the kind. `1.0` and `1e3` are integers too; `1.5` is none.
pub(super) fn integer(text: &str, kind: Kind) -> Result<i128, NumberError> {
    if !is_number(text) {
        return Err(NumberError::NotANumber);
    }
    let value = match text.parse::<i64>() {
        Ok(value) => value.into(),
        Err(_) => exact(text)?,
    };
    let (min, max) = range(kind);
    if value < min || value > max { Err(NumberError::OutOfRange) } else { Ok(value) }
}

/// A finite 64-bit number; the three words for the others are accepted when `words` says so.
pub(super) fn double(text: &str, words: bool) -> Result<f64, NumberError> {
    if words && let Some(value) = word(text) {
        return Ok(value);
    }
    if !is_number(text) {
        return Err(NumberError::NotANumber);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(NumberError::OutOfRange),
        Err(_) => Err(NumberError::NotANumber),
    }
}

pub(super) fn float(text: &str, words: bool) -> Result<f32, NumberError> {
    if words && let Some(value) = word(text) {
        return Ok(value as f32);
    }
    if !is_number(text) {
        return Err(NumberError::NotANumber);
    }
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(NumberError::OutOfRange),
        Err(_) => Err(NumberError::NotANumber),
    }
}

fn word(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The integer that a JSON number with fraction, exponent or very many digits is, without the detour
/// over floating point, which would lose digits above 2^53.
fn exact(text: &str) -> Result<i128, NumberError> {
    /// No 64-bit integer has more.
    const DIGITS_MAX: i64 = 24;

    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let exponent: i64 = match exponent.parse() {
        Ok(exponent) => exponent,
        Err(_) if exponent.starts_with('-') => return Err(NumberError::NotAnInteger),
        Err(_) => return Err(NumberError::OutOfRange),
    };
    let significant = digits.trim_end_matches('0');
    let zeros = (digits.len() - significant.len()) as i64;
    let shift = exponent.saturating_sub(fraction.len() as i64).saturating_add(zeros);
    if shift < 0 {
        return Err(NumberError::NotAnInteger);
    }
    if shift.saturating_add(significant.len() as i64) > DIGITS_MAX {
        return Err(NumberError::OutOfRange);
    }
    let value: i128 = significant.parse().map_err(|_| NumberError::OutOfRange)?;
    let value = value * 10i128.pow(u32::try_from(shift).unwrap_or(0));
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_up_to_their_bounds() {
        use NumberError::{NotANumber, NotAnInteger, OutOfRange};
        let cases: [(&str, Kind, Result<i128, NumberError>); 20] = [
            ("0", Kind::Int32, Ok(0)),
            ("-0", Kind::Int32, Ok(0)),
            ("2147483647", Kind::Int32, Ok(2_147_483_647)),
            ("2147483648", Kind::Int32, Err(OutOfRange)),
            ("-2147483648", Kind::Sint32, Ok(-2_147_483_648)),
            ("9007199254740993.0", Kind::Int64, Ok(9_007_199_254_740_993)),
            ("9223372036854775807", Kind::Int64, Ok(i64::MAX.into())),
            ("9223372036854775808", Kind::Int64, Err(OutOfRange)),
            ("18446744073709551615", Kind::Uint64, Ok(u64::MAX.into())),
            ("1.8446744073709551615e19", Kind::Uint64, Ok(u64::MAX.into())),
            ("-1", Kind::Uint64, Err(OutOfRange)),
            ("1e3", Kind::Int32, Ok(1000)),
            ("1500e-2", Kind::Int32, Ok(15)),
            ("1501e-2", Kind::Int32, Err(NotAnInteger)),
            ("0e99999999999999999999", Kind::Int32, Ok(0)),
            ("1e99999999999999999999", Kind::Int32, Err(OutOfRange)),
            ("1e-99999999999999999999", Kind::Int32, Err(NotAnInteger)),
            ("+1", Kind::Int32, Err(NotANumber)),
            ("007", Kind::Int32, Err(NotANumber)),
            ("", Kind::Int32, Err(NotANumber)),
        ];
        for (text, kind, expected) in cases {
            assert_eq!(integer(text, kind), expected, "{text}");
        }
    }

    #[test]
    fn floats_take_the_three_words_only_where_they_are_strings() {
        assert!(double("NaN", true).is_ok_and(f64::is_nan));
        assert_eq!(double("-Infinity", true), Ok(f64::NEG_INFINITY));
        assert_eq!(double("NaN", false), Err(NumberError::NotANumber));
        assert_eq!(double("inf", true), Err(NumberError::NotANumber));
        assert_eq!(double("1e400", true), Err(NumberError::OutOfRange));
        assert_eq!(float("3.5e38", true), Err(NumberError::OutOfRange));
        assert_eq!(float("1.5", true), Ok(1.5));
    }
}
