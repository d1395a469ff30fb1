//! The messages of `google.protobuf` that have a JSON form of their own.

use std::borrow::Cow;

use crate::json::calendar::{format_duration, format_timestamp};
use crate::schema::{Message, Shape};
use crate::wire::{Fields, Value};

use super::{Result, WriteError, Writer, utf8, write_string};

impl<'w, 'a> Writer<'w, 'a> {
    /// The message in the form that its type has in JSON.
    pub(super) fn shaped(&mut self, message: &'w Message, bytes: &'a [u8]) -> Result {
        match message.shape {
            Shape::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(bytes)?;
                self.text(format_timestamp(seconds, nanos))
            }
            Shape::Duration => {
                let (seconds, nanos) = seconds_and_nanos(bytes)?;
                self.text(format_duration(seconds, nanos))
            }
            Shape::FieldMask => self.field_mask(bytes),
            Shape::Wrapper => {
                let base = self.index(message, bytes)?;
                let slot = self.slots[base];
                self.slots.truncate(base);
                self.field(&message.fields[0], slot)
            }
            Shape::Struct => self.object(bytes),
            Shape::ListValue => self.values(bytes),
            Shape::Value => self.value(bytes),
            Shape::Any => self.any(bytes),
            Shape::Empty => {
                self.out.extend_from_slice(b"{}");
                Ok(())
            }
            Shape::Plain | Shape::HttpBody => {
                self.out.push(b'{');
                self.fields(message, bytes, true)?;
                self.out.push(b'}');
                Ok(())
            }
        }
    }

    pub(super) fn any(&mut self, bytes: &'a [u8]) -> Result {
        let (mut type_url, mut payload): (&str, &[u8]) = ("", &[]);
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Len(text)) => type_url = utf8(text)?,
                (2, Value::Len(bytes)) => payload = bytes,
                _ => {}
            }
        }
        if type_url.is_empty() && payload.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.out.extend_from_slice(b"{\"@type\":");
        write_string(self.out, type_url);
        let name = type_url.rsplit('/').next().unwrap_or(type_url);
        match self.schema.find(name) {
            Some(id) if self.schema.message(id).shape == Shape::Plain => {
                self.depth += 1;
                if self.depth > super::DEPTH_MAX {
                    return Err(WriteError::TooDeep);
                }
                self.fields(self.schema.message(id), payload, false)?;
                self.depth -= 1;
            }
            Some(id) => {
                self.out.extend_from_slice(b",\"value\":");
                self.message(id, payload)?;
            }
            None => {
                self.out.extend_from_slice(b",\"value\":");
                self.base64(payload);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn text(&mut self, text: Option<String>) -> Result {
        let text = text.ok_or(WriteError::OutOfRange)?;
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    fn field_mask(&mut self, bytes: &'a [u8]) -> Result {
        let mut joined = String::new();
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            if let (1, Value::Len(path)) = field {
                if !joined.is_empty() {
                    joined.push(',');
                }
                joined.push_str(&camel_case(utf8(path)?));
            }
        }
        write_string(self.out, &joined);
        Ok(())
    }

    /// A `Struct`: `map<string, Value> fields = 1`.
    fn object(&mut self, bytes: &'a [u8]) -> Result {
        let mut entries: Vec<(&str, &[u8])> = Vec::new();
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            let (1, Value::Len(entry)) = field else { continue };
            let (mut key, mut value): (&str, &[u8]) = ("", &[]);
            let mut parts = Fields::new(entry);
            while let Some(part) = parts.next()? {
                match part {
                    (1, Value::Len(text)) => key = utf8(text)?,
                    (2, Value::Len(bytes)) => value = bytes,
                    _ => {}
                }
            }
            entries.push((key, value));
        }
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by_key(|entry| entry.0);
        }
        self.out.push(b'{');
        let mut first = true;
        for (i, (key, value)) in entries.iter().enumerate() {
            if entries.get(i + 1).is_some_and(|next| next.0 == *key) {
                continue;
            }
            self.separate(&mut first);
            write_string(self.out, key);
            self.out.push(b':');
            self.deeper(|writer| writer.value(value))?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A `ListValue`: `repeated Value values = 1`.
    fn values(&mut self, bytes: &'a [u8]) -> Result {
        self.out.push(b'[');
        let mut first = true;
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            if let (1, Value::Len(value)) = field {
                self.separate(&mut first);
                self.deeper(|writer| writer.value(value))?;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// A `Value`: one of null, number, string, bool, struct and list, by field number.
    fn value(&mut self, bytes: &'a [u8]) -> Result {
        let mut last = None;
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            last = Some(field);
        }
        match last {
            Some((2, Value::Fixed64(bits))) => {
                let number = f64::from_bits(bits);
                if !number.is_finite() {
                    return Err(WriteError::OutOfRange);
                }
                self.double(number);
            }
            Some((3, Value::Len(text))) => write_string(self.out, utf8(text)?),
            Some((4, Value::Varint(v))) => {
                self.out.extend_from_slice(if v == 0 { b"false" } else { b"true" });
            }
            Some((5, Value::Len(bytes))) => return self.object(bytes),
            Some((6, Value::Len(bytes))) => return self.values(bytes),
            _ => self.out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    fn deeper(&mut self, write: impl FnOnce(&mut Self) -> Result) -> Result {
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(WriteError::TooDeep);
        }
        write(self)?;
        self.depth -= 1;
        Ok(())
    }
}

fn seconds_and_nanos(bytes: &[u8]) -> Result<(i64, i32)> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(v)) => seconds = v as i64,
            (2, Value::Varint(v)) => nanos = v as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

/// The JSON spelling of a field path, if it leads back to the path; otherwise the path itself.
fn camel_case(path: &str) -> Cow<'_, str> {
    if !path.contains('_') {
        return Cow::Borrowed(path);
    }
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' if upper => return Cow::Borrowed(path),
            '_' => upper = true,
            c if upper && !c.is_ascii_lowercase() => return Cow::Borrowed(path),
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c if c.is_ascii_uppercase() => return Cow::Borrowed(path),
            c => camel.push(c),
        }
    }
    if upper { Cow::Borrowed(path) } else { Cow::Owned(camel) }
}
