//! Writes the domain's types straight in the protobuf wire format, as prost would write the messages of
//! `change.proto`.

use gamemesh_domain::document::{Aggregate, Allowance, Change, Number, Operation, Value};

use crate::encoding::fields::{double, message, number, text, varint};

pub(crate) fn change(change: &Change, out: &mut Vec<u8>) {
    match change {
        Change::Created(state) => message(1, out, |out| datum(state, out)),
        Change::Merged(patch) => message(2, out, |out| datum(patch, out)),
        Change::Operated(operations) => message(3, out, |out| {
            for given in operations {
                message(1, out, |out| operation(given, out));
            }
        }),
        Change::Replaced(state) => message(4, out, |out| datum(state, out)),
        Change::Deleted => message(5, out, |_| {}),
        Change::RolledBack { to_version, state } => message(6, out, |out| {
            number(1, *to_version, out);
            if let Some(state) = state {
                message(2, out, |out| datum(state, out));
            }
        }),
        Change::Noted { kind, data } => message(7, out, |out| {
            text(1, kind, out);
            message(2, out, |out| datum(data, out));
        }),
    }
}

pub(crate) fn folded(aggregate: &Aggregate, out: &mut Vec<u8>) {
    if let Some(state) = aggregate.present() {
        message(1, out, |out| datum(state, out));
    }
    number(2, aggregate.created_at_us as u64, out);
    number(3, aggregate.updated_at_us as u64, out);
    allowances(4, &aggregate.allowances, out);
}

pub(crate) fn allowances(field: u32, allowances: &[Allowance], out: &mut Vec<u8>) {
    for allowance in allowances {
        message(field, out, |out| {
            number(1, allowance.rule, out);
            let left = allowance.left.as_f64();
            if left != 0.0 {
                double(2, left, out);
            }
            number(3, allowance.at_us as u64, out);
        });
    }
}

/// One of the kinds is set, even where it holds what is otherwise left out.
fn datum(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => varint(1, (*truth).into(), out),
        Value::Int(whole) => int(*whole, out),
        Value::Float(fraction) => double(3, fraction.get(), out),
        Value::Text(text) => message(4, out, |out| out.extend_from_slice(text.as_bytes())),
        Value::List(items) => list(items, out),
        Value::Map(map) => message(6, out, |out| {
            for (name, value) in map.iter() {
                message(1, out, |out| {
                    text(1, name, out);
                    message(2, out, |out| datum(value, out));
                });
            }
        }),
    }
}

fn int(whole: i64, out: &mut Vec<u8>) {
    let zigzag = (whole << 1) ^ (whole >> 63);
    varint(2, zigzag as u64, out);
}

fn list(items: &[Value], out: &mut Vec<u8>) {
    message(5, out, |out| {
        items.iter().for_each(|item| message(1, out, |out| datum(item, out)));
    });
}

fn operation(operation: &Operation, out: &mut Vec<u8>) {
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
    number(1, kind, out);
    text(2, operation.path().as_str(), out);
    match operation {
        Operation::Set { value, .. }
        | Operation::Maximum { value, .. }
        | Operation::Minimum { value, .. } => message(3, out, |out| datum(value, out)),
        Operation::Append { values, .. }
        | Operation::AddToSet { values, .. }
        | Operation::RemoveFromSet { values, .. } => message(3, out, |out| list(values, out)),
        Operation::Increment(increment) => {
            message(3, out, |out| number_datum(increment.by, out));
            for (field, bound) in [(4, increment.min), (5, increment.max)] {
                if let Some(bound) = bound {
                    message(field, out, |out| number_datum(bound, out));
                }
            }
            number(6, increment.clamp.into(), out);
        }
        Operation::Remove { .. } => {}
    }
    if let Operation::Append { length_max: Some(length_max), .. } = operation {
        number(7, (*length_max).into(), out);
    }
}

fn number_datum(number: Number, out: &mut Vec<u8>) {
    match number {
        Number::Int(whole) => int(whole, out),
        Number::Fraction(fraction) => double(3, fraction.get(), out),
    }
}
