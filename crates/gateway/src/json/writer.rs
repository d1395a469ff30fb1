//! Wire bytes to JSON text.
//!
//! A message is scanned once to find where each field lies, then its fields are written in the order of
//! their numbers. Scalar fields without presence, lists and maps are written even when they hold
//! their default value, so that a client sees every field; unset messages and optional fields are not.

mod scalar;
mod well_known;

use crate::schema::{Cardinality, Field, Kind, Message, MessageId, Schema, Shape};
use crate::wire::{Fields, Malformed, Value};

/// Messages within messages, at most: the bound that protobuf decoders use too.
const DEPTH_MAX: usize = 100;

/// Why bytes from a service cannot be shown as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the message is not valid protobuf")]
    Malformed,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("the message is nested too deep")]
    TooDeep,
    #[error("a timestamp, duration or number has no JSON form")]
    OutOfRange,
}

impl From<Malformed> for WriteError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

type Result<T = (), E = WriteError> = std::result::Result<T, E>;

/// Writes the message with the wire form `bytes`.
pub(crate) fn write_message(
    schema: &Schema,
    id: MessageId,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result {
    Writer::new(schema, out).message(id, bytes)
}

/// Writes one field of the message: what `response_body` names. An unset message is written as an
/// empty one, or as `null` where its JSON is no object.
pub(crate) fn write_field(
    schema: &Schema,
    id: MessageId,
    field: usize,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result {
    let mut writer = Writer::new(schema, out);
    let message = schema.message(id);
    let base = writer.index(message, bytes)?;
    let (field, slot) = (&message.fields[field], writer.slots[base + field]);
    writer.field(field, slot)
}

/// Writes the `google.protobuf.Any` whose wire form is `bytes`; a type that is not known is written as
/// its name and its base64 bytes.
pub(crate) fn write_any(schema: &Schema, bytes: &[u8], out: &mut Vec<u8>) -> Result {
    Writer::new(schema, out).any(bytes)
}

pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Where a field of the message that is being written lies.
#[derive(Clone, Copy)]
struct Slot<'a> {
    count: usize,
    /// The message from the first occurrence on.
    from: &'a [u8],
    last: Value<'a>,
}

const UNSET: Slot<'static> = Slot { count: 0, from: &[], last: Value::Varint(0) };

struct Writer<'w, 'a> {
    schema: &'w Schema,
    out: &'w mut Vec<u8>,
    /// One stack for all messages that are open, so that a nested message allocates nothing.
    slots: Vec<Slot<'a>>,
    depth: usize,
}

impl<'w, 'a> Writer<'w, 'a> {
    fn new(schema: &'w Schema, out: &'w mut Vec<u8>) -> Self {
        Self { schema, out, slots: Vec::new(), depth: 0 }
    }

    fn message(&mut self, id: MessageId, bytes: &'a [u8]) -> Result {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(WriteError::TooDeep);
        }
        let message = self.schema.message(id);
        self.shaped(message, bytes)?;
        self.depth -= 1;
        Ok(())
    }

    fn fields(&mut self, message: &'w Message, bytes: &'a [u8], mut first: bool) -> Result {
        let base = self.index(message, bytes)?;
        for (i, field) in message.fields.iter().enumerate() {
            let slot = self.slots[base + i];
            if slot.count == 0 && field.cardinality == (Cardinality::Singular { presence: true }) {
                continue;
            }
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.out.extend_from_slice(&field.key);
            self.field(field, slot)?;
        }
        self.slots.truncate(base);
        Ok(())
    }

    /// Finds the fields of a message; their slots begin at the index that is returned.
    fn index(&mut self, message: &Message, bytes: &'a [u8]) -> Result<usize> {
        let base = self.slots.len();
        self.slots.resize(base + message.fields.len(), UNSET);
        let mut fields = Fields::new(bytes);
        loop {
            let from = fields.rest();
            let Some((number, value)) = fields.next()? else { return Ok(base) };
            let Some(index) = message.by_number(number) else { continue };
            let field = &message.fields[index];
            if !fits(field, value) {
                continue;
            }
            if let Some(oneof) = &field.oneof {
                for sibling in &oneof.siblings {
                    self.slots[base + *sibling as usize] = UNSET;
                }
            }
            let slot = &mut self.slots[base + index];
            if slot.count == 0 {
                slot.from = from;
            }
            slot.count += 1;
            slot.last = value;
        }
    }

    fn field(&mut self, field: &'w Field, slot: Slot<'a>) -> Result {
        match field.cardinality {
            Cardinality::Map => self.map(field, slot),
            Cardinality::Repeated { .. } => self.list(field, slot),
            Cardinality::Singular { .. } if slot.count == 0 => self.unset(field.kind),
            Cardinality::Singular { .. } => match field.kind {
                Kind::Message(id) if slot.count > 1 => self.merged(id, field, slot),
                Kind::Message(id) => self.message(id, content(slot.last)),
                kind => self.scalar(kind, slot.last),
            },
        }
    }

    /// A message that came in parts: their concatenation is the whole, by the rules of the format.
    fn merged(&mut self, id: MessageId, field: &Field, slot: Slot<'a>) -> Result {
        let mut whole = Vec::new();
        let mut occurrences = Occurrences::new(field, slot);
        while let Some(value) = occurrences.next()? {
            whole.extend_from_slice(content(value));
        }
        let mut inner = Writer {
            schema: self.schema,
            out: &mut *self.out,
            slots: Vec::new(),
            depth: self.depth,
        };
        inner.message(id, &whole)
    }

    fn unset(&mut self, kind: Kind) -> Result {
        match kind {
            Kind::Message(id) => match self.schema.message(id).shape {
                Shape::Plain
                | Shape::Struct
                | Shape::ListValue
                | Shape::Empty
                | Shape::HttpBody => self.message(id, &[]),
                _ => {
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
            },
            Kind::Enum(id) => self.enumeration(id, self.schema.enumeration(id).default()),
            Kind::String | Kind::Bytes => self.scalar(kind, Value::Len(&[])),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => self.scalar(kind, Value::Fixed64(0)),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => self.scalar(kind, Value::Fixed32(0)),
            _ => self.scalar(kind, Value::Varint(0)),
        }
    }

    fn list(&mut self, field: &'w Field, slot: Slot<'a>) -> Result {
        self.out.push(b'[');
        let mut first = true;
        let mut occurrences = Occurrences::new(field, slot);
        while let Some(value) = occurrences.next()? {
            match (field.kind, value) {
                (Kind::Message(id), value) => {
                    self.separate(&mut first);
                    self.message(id, content(value))?;
                }
                (kind, Value::Len(bytes)) if kind.is_packable() => {
                    let mut packed = Fields::new(bytes);
                    while !packed.rest().is_empty() {
                        self.separate(&mut first);
                        let value = match kind {
                            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                                Value::Fixed64(packed.fixed64()?)
                            }
                            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                                Value::Fixed32(packed.fixed32()?)
                            }
                            _ => Value::Varint(packed.varint()?),
                        };
                        self.scalar(kind, value)?;
                    }
                }
                (kind, value) => {
                    self.separate(&mut first);
                    self.scalar(kind, value)?;
                }
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, field: &'w Field, slot: Slot<'a>) -> Result {
        let Kind::Message(entry) = field.kind else { return Err(WriteError::Malformed) };
        let [key_field, value_field] = self.schema.message(entry).fields.as_slice() else {
            return Err(WriteError::Malformed);
        };
        let mut entries = Vec::with_capacity(slot.count);
        let mut occurrences = Occurrences::new(field, slot);
        while let Some(occurrence) = occurrences.next()? {
            let (mut key, mut value) = (None, UNSET);
            let mut fields = Fields::new(content(occurrence));
            loop {
                let from = fields.rest();
                match fields.next()? {
                    Some((1, k)) if fits(key_field, k) => key = Some(k),
                    Some((2, v)) if fits(value_field, v) => {
                        let from = if value.count == 0 { from } else { value.from };
                        value = Slot { count: value.count + 1, from, last: v };
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            let mut text = Vec::new();
            Writer::new(self.schema, &mut text).map_key(key_field.kind, key)?;
            entries.push((text, value));
        }
        // The wire has the entries in no order, and the last of two with one key counts.
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        self.out.push(b'{');
        let mut first = true;
        for (i, (key, value)) in entries.iter().enumerate() {
            if entries.get(i + 1).is_some_and(|next| next.0 == *key) {
                continue;
            }
            self.separate(&mut first);
            self.out.extend_from_slice(key);
            self.out.push(b':');
            self.field(value_field, *value)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn map_key(&mut self, kind: Kind, key: Option<Value<'_>>) -> Result {
        let quoted = matches!(
            kind,
            Kind::String
                | Kind::Int64
                | Kind::Sint64
                | Kind::Sfixed64
                | Kind::Uint64
                | Kind::Fixed64
        );
        if !quoted {
            self.out.push(b'"');
        }
        match key {
            Some(Value::Varint(v)) => {
                Writer::new(self.schema, self.out).scalar(kind, Value::Varint(v))?;
            }
            Some(Value::Fixed32(v)) => {
                Writer::new(self.schema, self.out).scalar(kind, Value::Fixed32(v))?;
            }
            Some(Value::Fixed64(v)) => {
                Writer::new(self.schema, self.out).scalar(kind, Value::Fixed64(v))?;
            }
            Some(Value::Len(v)) => write_string(self.out, utf8(v)?),
            Some(Value::Group(_)) => return Err(WriteError::Malformed),
            None => self.unset(kind)?,
        }
        if !quoted {
            self.out.push(b'"');
        }
        Ok(())
    }

    fn separate(&mut self, first: &mut bool) {
        if !*first {
            self.out.push(b',');
        }
        *first = false;
    }
}

/// The occurrences of one field of a message.
struct Occurrences<'w, 'a> {
    field: &'w Field,
    left: usize,
    fields: Fields<'a>,
}

impl<'w, 'a> Occurrences<'w, 'a> {
    fn new(field: &'w Field, slot: Slot<'a>) -> Self {
        Self { field, left: slot.count, fields: Fields::new(slot.from) }
    }

    fn next(&mut self) -> Result<Option<Value<'a>>> {
        while self.left > 0 {
            match self.fields.next()? {
                Some((number, value)) if number == self.field.number && fits(self.field, value) => {
                    self.left -= 1;
                    return Ok(Some(value));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Whether the value has a wire type that the field can have; others are unknown fields.
fn fits(field: &Field, value: Value<'_>) -> bool {
    let packable =
        matches!(field.cardinality, Cardinality::Repeated { .. }) && field.kind.is_packable();
    if packable && matches!(value, Value::Len(_)) {
        return true;
    }
    match field.kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => matches!(value, Value::Fixed64(_)),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => matches!(value, Value::Fixed32(_)),
        Kind::String | Kind::Bytes => matches!(value, Value::Len(_)),
        Kind::Message(_) if field.group => matches!(value, Value::Group(_)),
        Kind::Message(_) => matches!(value, Value::Len(_)),
        _ => matches!(value, Value::Varint(_)),
    }
}

fn content(value: Value<'_>) -> &[u8] {
    match value {
        Value::Len(bytes) | Value::Group(bytes) => bytes,
        _ => &[],
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| WriteError::NotUtf8)
}
