//! An event as protobuf, written straight from what the log has: the bytes that `AggregateEvent` encodes
//! to, without the messages, maps and texts that it would take to build one.
//!
//! The relay does this for every event of the log. The tests hold both ways against each other.

use gamemesh_documents::encoding;
use gamemesh_documents::encoding::fields::{double, message, number, text, varint};
use gamemesh_domain::document::{Map, Value};
use gamemesh_repository::{Event, LogError};

use super::{aggregate, time};

/// What an event takes beside its texts, its data and its metadata, in bytes; about.
const FRAME_BYTES: usize = 96;

/// The event; without its data where a claim stands for it.
pub(crate) fn bytes(event: &Event, with_data: bool) -> Result<Vec<u8>, LogError> {
    let texts = event.stream.as_str().len() + event.kind.len();
    let mut out = Vec::with_capacity(FRAME_BYTES + texts + 2 * event.data.len() + event.meta.len());
    let out_mut = &mut out;
    text(1, event.stream.category(), out_mut);
    text(2, event.stream.key(), out_mut);
    number(3, event.version, out_mut);
    number(4, event.lane.0.into(), out_mut);
    number(5, event.position, out_mut);
    let mut id = uuid::Uuid::encode_buffer();
    text(6, event.id.hyphenated().encode_lower(&mut id), out_mut);
    text(7, &event.kind, out_mut);
    let at = time::to_timestamp(event.time_us);
    message(8, out_mut, |out| {
        number(1, at.seconds as u64, out);
        number(2, at.nanos as u64, out);
    });
    if with_data {
        let data = aggregate::data(encoding::decode_change(&event.data)?);
        message(9, out_mut, |out| value(&data, out));
    }
    message(10, out_mut, |out| out.extend_from_slice(&event.meta));
    Ok(out)
}

/// A `google.protobuf.Value`, whose kind is there even if it is the default of its type.
fn value(given: &Value, out: &mut Vec<u8>) {
    match given {
        Value::Null => varint(1, 0, out),
        Value::Int(whole) => double(2, *whole as f64, out),
        Value::Float(fraction) => double(2, fraction.get(), out),
        Value::Text(text) => message(3, out, |out| out.extend_from_slice(text.as_bytes())),
        Value::Bool(truth) => varint(4, (*truth).into(), out),
        Value::Map(map) => message(5, out, |out| entries(map, out)),
        Value::List(items) => message(6, out, |out| {
            items.iter().for_each(|item| message(1, out, |out| value(item, out)));
        }),
    }
}

/// The fields of a `google.protobuf.Struct`.
fn entries(map: &Map, out: &mut Vec<u8>) {
    for (name, given) in map.iter() {
        message(1, out, |out| {
            text(1, name, out);
            message(2, out, |out| value(given, out));
        });
    }
}

#[cfg(test)]
mod tests;
