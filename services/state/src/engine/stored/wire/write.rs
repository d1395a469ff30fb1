//! Writes the domain's types straight in the protobuf wire format, as prost would write the messages of
//! `change.proto`.

use gamemesh_domain::state::{Aggregate, Change, Number, Operation, Value};

pub(crate) fn change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Created(state) => message(out, 1, |out| datum(out, state)),
        Change::Merged(patch) => message(out, 2, |out| datum(out, patch)),
        Change::Operated(operations) => message(out, 3, |out| {
            for operation in operations {
                message(out, 1, |out| write_operation(out, operation));
            }
        }),
        Change::Replaced(state) => message(out, 4, |out| datum(out, state)),
        Change::Deleted => message(out, 5, |_| {}),
        Change::RolledBack { to_version, state } => message(out, 6, |out| {
            number(out, 1, *to_version);
            if let Some(state) = state {
                message(out, 2, |out| datum(out, state));
            }
        }),
        Change::Noted { kind, data } => message(out, 7, |out| {
            text(out, 1, kind);
            message(out, 2, |out| datum(out, data));
        }),
    }
}

pub(crate) fn folded(out: &mut Vec<u8>, aggregate: &Aggregate) {
    if let Some(state) = aggregate.present() {
        message(out, 1, |out| datum(out, state));
    }
    number(out, 2, aggregate.created_at_us as u64);
    number(out, 3, aggregate.updated_at_us as u64);
}

/// One of the kinds is set, even where it holds what is otherwise left out.
fn datum(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => {
            key(out, 1, VARINT);
            out.push(u8::from(*truth));
        }
        Value::Int(int) => write_int(out, *int),
        Value::Float(fraction) => write_float(out, fraction.get()),
        Value::Text(text) => bytes(out, 4, text.as_bytes()),
        Value::List(items) => message(out, 5, |out| {
            for item in items.iter() {
                message(out, 1, |out| datum(out, item));
            }
        }),
        Value::Map(map) => message(out, 6, |out| {
            for (name, value) in map.iter() {
                message(out, 1, |out| {
                    text(out, 1, name);
                    message(out, 2, |out| datum(out, value));
                });
            }
        }),
    }
}

fn write_int(out: &mut Vec<u8>, int: i64) {
    key(out, 2, VARINT);
    varint(out, ((int << 1) ^ (int >> 63)) as u64);
}

fn write_float(out: &mut Vec<u8>, float: f64) {
    key(out, 3, FIXED64);
    out.extend_from_slice(&float.to_le_bytes());
}

fn write_operation(out: &mut Vec<u8>, operation: &Operation) {
    let kind = match operation {
        Operation::Set { .. } => 1,
        Operation::Increment(_) => 2,
        Operation::Append { .. } => 3,
        Operation::Remove { .. } => 4,
        Operation::AddToSet { .. } => 5,
        Operation::RemoveFromSet { .. } => 6,
        Operation::Maximum { .. } => 7,
        Operation::Minimum { .. } => 8,
    };
    number(out, 1, kind);
    text(out, 2, operation.path().as_str());
    match operation {
        Operation::Set { value, .. }
        | Operation::Maximum { value, .. }
        | Operation::Minimum { value, .. } => message(out, 3, |out| datum(out, value)),
        Operation::Append { values, .. }
        | Operation::AddToSet { values, .. }
        | Operation::RemoveFromSet { values, .. } => message(out, 3, |out| {
            message(out, 5, |out| {
                for value in values {
                    message(out, 1, |out| datum(out, value));
                }
            });
        }),
        Operation::Increment(increment) => {
            message(out, 3, |out| number_datum(out, increment.by));
            for (field, bound) in [(4, increment.min), (5, increment.max)] {
                if let Some(bound) = bound {
                    message(out, field, |out| number_datum(out, bound));
                }
            }
            number(out, 6, u64::from(increment.clamp));
        }
        Operation::Remove { .. } => {}
    }
    if let Operation::Append { length_max: Some(length_max), .. } = operation {
        number(out, 7, u64::from(*length_max));
    }
}

fn number_datum(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Int(int) => write_int(out, int),
        Number::Fraction(fraction) => write_float(out, fraction.get()),
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

/// All fields here have numbers below 16, so that a key is one byte.
fn key(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    out.push(field << 3 | wire_type);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number, which is left out where it is 0.
fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        key(out, field, VARINT);
        varint(out, value);
    }
}

/// A text, which is left out where it is empty.
fn text(out: &mut Vec<u8>, field: u8, text: &str) {
    if !text.is_empty() {
        bytes(out, field, text.as_bytes());
    }
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    key(out, field, LENGTH_DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message, whose length is known once it is written. Most lengths fit into the byte that is left for them;
/// for a longer one the message moves on.
fn message(out: &mut Vec<u8>, field: u8, content: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, LENGTH_DELIMITED);
    let at = out.len();
    out.push(0);
    content(out);
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length as u8;
        return;
    }
    let mut longer = Vec::new();
    varint(&mut longer, length as u64);
    out.splice(at..=at, longer);
}
