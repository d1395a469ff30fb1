//! Scalars: 64-bit integers as strings, enums by name, bytes as base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::schema::{EnumId, Kind};
use crate::wire::{Value, unzigzag};

use super::{Result, WriteError, Writer, utf8, write_string};

impl Writer<'_, '_> {
    pub(super) fn scalar(&mut self, kind: Kind, value: Value<'_>) -> Result {
        match (kind, value) {
            (Kind::Int32, Value::Varint(v)) => self.number(v as i32),
            (Kind::Uint32, Value::Varint(v)) => self.number(v as u32),
            (Kind::Sint32, Value::Varint(v)) => self.number(unzigzag(u64::from(v as u32)) as i32),
            (Kind::Int64, Value::Varint(v)) => self.quoted(v as i64),
            (Kind::Uint64, Value::Varint(v)) => self.quoted(v),
            (Kind::Sint64, Value::Varint(v)) => self.quoted(unzigzag(v)),
            (Kind::Fixed32, Value::Fixed32(v)) => self.number(v),
            (Kind::Sfixed32, Value::Fixed32(v)) => self.number(v as i32),
            (Kind::Fixed64, Value::Fixed64(v)) => self.quoted(v),
            (Kind::Sfixed64, Value::Fixed64(v)) => self.quoted(v as i64),
            (Kind::Double, Value::Fixed64(v)) => self.double(f64::from_bits(v)),
            (Kind::Float, Value::Fixed32(v)) => self.float(f32::from_bits(v)),
            (Kind::Bool, Value::Varint(v)) => {
                self.out.extend_from_slice(if v == 0 { b"false" } else { b"true" });
            }
            (Kind::Enum(id), Value::Varint(v)) => return self.enumeration(id, v as i32),
            (Kind::String, Value::Len(v)) => write_string(self.out, utf8(v)?),
            (Kind::Bytes, Value::Len(v)) => self.base64(v),
            _ => return Err(WriteError::Malformed),
        }
        Ok(())
    }

    pub(super) fn enumeration(&mut self, id: EnumId, number: i32) -> Result {
        let enumeration = self.schema.enumeration(id);
        if enumeration.is_null {
            self.out.extend_from_slice(b"null");
        } else if let Some(name) = enumeration.name(number) {
            write_string(self.out, name);
        } else {
            self.number(number);
        }
        Ok(())
    }

    fn number(&mut self, value: impl serde::Serialize) {
        // Writing a number to a vector cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    fn quoted(&mut self, value: impl serde::Serialize) {
        self.out.push(b'"');
        self.number(value);
        self.out.push(b'"');
    }

    pub(super) fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.number(value);
            self.drop_fraction_of_zero();
        } else {
            self.non_finite(value);
        }
    }

    fn float(&mut self, value: f32) {
        if value.is_finite() {
            self.number(value);
            self.drop_fraction_of_zero();
        } else {
            self.non_finite(value.into());
        }
    }

    /// `5` and not `5.0`, as the other proto3 JSON writers have it.
    fn drop_fraction_of_zero(&mut self) {
        if self.out.ends_with(b".0") {
            self.out.truncate(self.out.len() - 2);
        }
    }

    fn non_finite(&mut self, value: f64) {
        let word: &[u8] = match value {
            f64::INFINITY => b"\"Infinity\"",
            f64::NEG_INFINITY => b"\"-Infinity\"",
            _ => b"\"NaN\"",
        };
        self.out.extend_from_slice(word);
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
        self.out.push(b'"');
    }
}
