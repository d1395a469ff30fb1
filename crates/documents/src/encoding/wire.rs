//! Reads the protobuf wire format straight into the domain's types.
//!
//! A fold decodes every event of a history, and every write encodes one, so the intermediate messages
//! that prost would build (a vector of entries for every map, a box for every level) are worth passing
//! over. The messages are those of `change.proto`; the tests hold both ways against the generated types.

pub(super) mod write;

use std::sync::Arc;

use gamemesh_domain::document::{
    Aggregate, Allowance, Change, FieldPath, Increment, Map, Number, Operation, Value, limits,
};
use gamemesh_repository::{LogError, Version};

use super::damaged;

type Result<T> = std::result::Result<T, LogError>;

/// One field of a message.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Of a type that no field here has.
    Other,
}

/// The fields of a message, in order.
struct Fields<'a>(&'a [u8]);

pub(super) fn change(data: &[u8]) -> Result<(Change, Vec<Allowance>)> {
    let mut kind = None;
    let mut allowances = Vec::new();
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        let Field::Bytes(inner) = field else { continue };
        kind = Some(match number {
            1 => Change::Created(datum(inner, 0)?),
            2 => Change::Merged(datum(inner, 0)?),
            3 => Change::Operated(operations(inner)?),
            4 => Change::Replaced(datum(inner, 0)?),
            5 => Change::Deleted,
            6 => rolled_back(inner)?,
            7 => noted(inner)?,
            8 => {
                allowances.push(allowance(inner)?);
                continue;
            }
            _ => continue,
        });
    }
    let change = kind.ok_or_else(|| damaged("a change of no known kind"))?;
    Ok((change, allowances))
}

fn allowance(data: &[u8]) -> Result<Allowance> {
    let mut allowance = Allowance { rule: 0, left: Number::Int(0), at_us: 0 };
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Varint(rule)) => allowance.rule = rule,
            (2, Field::Fixed64(bits)) => {
                let left = Number::new(f64::from_bits(bits));
                allowance.left = left.ok_or_else(|| damaged("an allowance that is no number"))?;
            }
            (3, Field::Varint(time)) => allowance.at_us = time as i64,
            _ => {}
        }
    }
    Ok(allowance)
}

pub(super) fn folded(data: &[u8], version: Version) -> Result<Aggregate> {
    let mut aggregate = Aggregate { version, ..Aggregate::default() };
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(inner)) => aggregate.state = datum(inner, 0)?,
            (2, Field::Varint(time)) => aggregate.created_at_us = time as i64,
            (3, Field::Varint(time)) => aggregate.updated_at_us = time as i64,
            (4, Field::Bytes(inner)) => aggregate.allowances.push(allowance(inner)?),
            _ => {}
        }
    }
    Ok(aggregate)
}

pub(super) fn texts<const N: usize>(data: &[u8], wanted: [u64; N]) -> Result<[&str; N]> {
    let mut texts = [""; N];
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        if let (Some(at), Field::Bytes(inner)) =
            (wanted.iter().position(|&wanted| wanted == number), field)
        {
            texts[at] = text(inner)?;
        }
    }
    Ok(texts)
}

fn rolled_back(data: &[u8]) -> Result<Change> {
    let (mut to_version, mut state) = (0, None);
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Varint(version)) => to_version = version,
            (2, Field::Bytes(inner)) => state = Some(datum(inner, 0)?),
            _ => {}
        }
    }
    Ok(Change::RolledBack { to_version, state })
}

fn noted(data: &[u8]) -> Result<Change> {
    let (mut kind, mut value) = ("", Value::Null);
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(inner)) => kind = text(inner)?,
            (2, Field::Bytes(inner)) => value = datum(inner, 0)?,
            _ => {}
        }
    }
    Ok(Change::Noted { kind: kind.into(), data: value })
}

fn datum(data: &[u8], depth: usize) -> Result<Value> {
    if depth > limits::VALUE_DEPTH_MAX {
        return Err(damaged("a value is nested too deeply"));
    }
    let mut value = Value::Null;
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        value = match (number, field) {
            (1, Field::Varint(truth)) => Value::Bool(truth != 0),
            (2, Field::Varint(zigzag)) => Value::int(signed(zigzag)).map_err(damaged)?,
            (3, Field::Fixed64(bits)) => Value::number(f64::from_bits(bits)).map_err(damaged)?,
            (4, Field::Bytes(inner)) => Value::from(text(inner)?),
            (5, Field::Bytes(inner)) => list(inner, depth + 1)?,
            (6, Field::Bytes(inner)) => map(inner, depth + 1)?,
            _ => continue,
        };
    }
    Ok(value)
}

fn list(data: &[u8], depth: usize) -> Result<Value> {
    let mut items = Vec::new();
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(inner)) = (number, field) {
            items.push(datum(inner, depth)?);
        }
    }
    Ok(items.into())
}

fn map(data: &[u8], depth: usize) -> Result<Value> {
    let mut entries = Vec::new();
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(inner)) = (number, field) {
            entries.push(entry(inner, depth)?);
        }
    }
    Ok(Value::Map(Map::from_entries(entries)))
}

fn entry(data: &[u8], depth: usize) -> Result<(&str, Value)> {
    let (mut name, mut value) = ("", Value::Null);
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(inner)) => name = text(inner)?,
            (2, Field::Bytes(inner)) => value = datum(inner, depth)?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn operations(data: &[u8]) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(inner)) = (number, field) {
            operations.push(operation(inner)?);
        }
    }
    Ok(operations)
}

fn operation(data: &[u8]) -> Result<Operation> {
    let (mut kind, mut path, mut value) = (0, "", Value::Null);
    let (mut min, mut max, mut clamp, mut length_max) = (None, None, false, None);
    let mut fields = Fields(data);
    while let Some((field_number, field)) = fields.next()? {
        match (field_number, field) {
            (1, Field::Varint(number)) => kind = number,
            (2, Field::Bytes(inner)) => path = text(inner)?,
            (3, Field::Bytes(inner)) => value = datum(inner, 0)?,
            (4, Field::Bytes(inner)) => min = Some(number(&datum(inner, 0)?)?),
            (5, Field::Bytes(inner)) => max = Some(number(&datum(inner, 0)?)?),
            (6, Field::Varint(truth)) => clamp = truth != 0,
            (7, Field::Varint(length)) => length_max = u32::try_from(length).ok(),
            _ => {}
        }
    }
    let path: FieldPath = path.parse().map_err(damaged)?;
    Ok(match kind {
        1 => Operation::Set { path, value },
        2 => Operation::Increment(Increment { path, by: number(&value)?, min, max, clamp }),
        3 => Operation::Append {
            path,
            values: items(value)?,
            length_max: length_max.filter(|&length| length > 0),
        },
        4 => Operation::Remove { path },
        5 => Operation::AddToSet { path, values: items(value)? },
        6 => Operation::RemoveFromSet { path, values: items(value)? },
        7 => Operation::Maximum { path, value },
        8 => Operation::Minimum { path, value },
        _ => return Err(damaged("an operation of no known kind")),
    })
}

fn items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::List(items) => Ok(Arc::unwrap_or_clone(items)),
        _ => Err(damaged("an operation whose values are no list")),
    }
}

fn number(value: &Value) -> Result<Number> {
    value.as_number().ok_or_else(|| damaged("an operation whose number is none"))
}

fn text(data: &[u8]) -> Result<&str> {
    std::str::from_utf8(data).map_err(damaged)
}

const fn signed(zigzag: u64) -> i64 {
    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(damaged)?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.array::<4>()?;
                Field::Other
            }
            _ => return Err(damaged("a field of no known wire type")),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (at, &byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(damaged("a number without an end"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or_else(|| damaged("a field without its end"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
pub(super) mod tests;
