//! Values that stand as text: in a path, a query parameter, a map's key, or a JSON string.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::schema::{Cardinality, Field, Kind, Schema, Shape};
use crate::wire;

use super::calendar::{parse_duration, parse_timestamp, part_range};
use super::mask;
use super::number::{self, NumberError};
use super::reader::wire_type;

/// A value of the caller is quoted up to this many characters in a refusal.
const QUOTED_CHARS_MAX: usize = 64;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Whether a single value of the field can be written as text.
pub(crate) fn takes_text(schema: &Schema, field: &Field) -> bool {
    if field.cardinality == Cardinality::Map {
        return false;
    }
    match field.kind {
        Kind::Message(id) => matches!(
            schema.message(id).shape,
            Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper
        ),
        _ => true,
    }
}

/// Appends a value of the field with its tag. The error says what is accepted.
pub(crate) fn put_text(
    schema: &Schema,
    field: &Field,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let Kind::Message(id) = field.kind else {
        wire::put_tag(out, field.number, wire_type(field.kind));
        return put_scalar(schema, field.kind, text, out);
    };
    let message = schema.message(id);
    wire::put_tag(out, field.number, wire::LEN);
    let start = wire::open(out);
    match message.shape {
        Shape::Wrapper => put_text(schema, &message.fields[0], text, out)?,
        Shape::FieldMask => put_mask(schema, field, text, out),
        shape => put_shaped(shape, text, out)?,
    }
    wire::close(out, start);
    Ok(())
}

/// Appends a scalar without a tag.
pub(super) fn put_scalar(
    schema: &Schema,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let refuse = |_: NumberError| not_accepted(text, &accepted(schema, kind));
    match kind {
        Kind::String => wire::put_bytes(out, text.as_bytes()),
        Kind::Bytes => {
            let bytes = base64(text).ok_or_else(|| not_accepted(text, &accepted(schema, kind)))?;
            wire::put_bytes(out, &bytes);
        }
        Kind::Bool => match text {
            "true" => out.push(1),
            "false" => out.push(0),
            _ => return Err(not_accepted(text, &accepted(schema, kind))),
        },
        Kind::Double => {
            out.extend_from_slice(&number::double(text, true).map_err(refuse)?.to_le_bytes());
        }
        Kind::Float => {
            out.extend_from_slice(&number::float(text, true).map_err(refuse)?.to_le_bytes());
        }
        Kind::Enum(id) => {
            let known = schema.enumeration(id).number(text);
            let value = match known {
                Some(number) => number.into(),
                None => number::integer(text, kind).map_err(refuse)? as i64,
            };
            wire::put_varint(out, value as u64);
        }
        Kind::Sint32 | Kind::Sint64 => {
            let value = number::integer(text, kind).map_err(refuse)?;
            wire::put_varint(out, wire::zigzag(value as i64));
        }
        Kind::Fixed32 | Kind::Sfixed32 => {
            let value = number::integer(text, kind).map_err(refuse)?;
            out.extend_from_slice(&(value as u32).to_le_bytes());
        }
        Kind::Fixed64 | Kind::Sfixed64 => {
            let value = number::integer(text, kind).map_err(refuse)?;
            out.extend_from_slice(&(value as u64).to_le_bytes());
        }
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
            let value = number::integer(text, kind).map_err(refuse)?;
            wire::put_varint(out, value as u64);
        }
        Kind::Message(_) => return Err("is a message, which has no text form".to_owned()),
    }
    Ok(())
}

/// Appends the paths of the mask that a field holds.
pub(super) fn put_mask(schema: &Schema, field: &Field, text: &str, out: &mut Vec<u8>) {
    for path in mask::paths(schema, field, text) {
        wire::put_tag(out, 1, wire::LEN);
        wire::put_bytes(out, path.as_bytes());
    }
}

/// Appends the fields of a timestamp or duration.
pub(super) fn put_shaped(shape: Shape, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let parsed = match shape {
        Shape::Timestamp => parse_timestamp(text),
        Shape::Duration => parse_duration(text),
        _ => None,
    };
    let (seconds, nanos) = parsed.ok_or_else(|| not_accepted(text, accepted_shape(shape)))?;
    wire::put_tag(out, 1, wire::VARINT);
    wire::put_varint(out, seconds as u64);
    wire::put_tag(out, 2, wire::VARINT);
    wire::put_varint(out, i64::from(nanos) as u64);
    Ok(())
}

/// Refuses seconds and nanoseconds that no time or duration has, where they come as fields of their own.
pub(crate) fn check_part(shape: Shape, field: &Field, text: &str) -> Result<(), String> {
    let Some((min, max)) = part_range(shape, &field.name) else { return Ok(()) };
    let fits = text.parse::<i64>().is_ok_and(|value| (min..=max).contains(&value));
    if fits { Ok(()) } else { Err(not_accepted(text, &format!("an integer from {min} to {max}"))) }
}

/// What a scalar field takes, in words.
pub(super) fn accepted(schema: &Schema, kind: Kind) -> String {
    match kind {
        Kind::String => "a string".to_owned(),
        Kind::Bytes => "base64 in a string".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Double => "a finite 64-bit number, \"NaN\", \"Infinity\" or \"-Infinity\"".to_owned(),
        Kind::Float => "a finite 32-bit number, \"NaN\", \"Infinity\" or \"-Infinity\"".to_owned(),
        Kind::Enum(id) if schema.enumeration(id).is_null => "null".to_owned(),
        Kind::Enum(id) => format!("one of {}", schema.enumeration(id).accepted()),
        Kind::Message(_) => "an object".to_owned(),
        kind => {
            let (min, max) = number::range(kind);
            format!("an integer from {min} to {max}")
        }
    }
}

pub(super) fn accepted_shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Timestamp => {
            "an RFC 3339 time from year 0001 to 9999, such as \"2026-01-31T12:00:00Z\""
        }
        Shape::Duration => "seconds with the suffix s, such as \"1.5s\", within ±315576000000",
        Shape::FieldMask => "field paths with commas between them, in a string",
        _ => "an object",
    }
}

/// A value as a refusal quotes it.
pub(super) fn shortened(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &value[..end])),
        None => Cow::Borrowed(value),
    }
}

fn not_accepted(value: &str, accepted: &str) -> String {
    format!("{:?} is not accepted: {accepted}", shortened(value))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}
