//! JSON text to wire bytes.
//!
//! The reader keeps the path to where it is, so that a refusal names the field, the value and what is
//! accepted. Both spellings of a field name are read; unknown names and names given twice are refused.

mod any;
mod scalar;
mod well_known;

use std::borrow::Cow;
use std::collections::HashSet;

use gamemesh_rpc::error::{Code, Error};

use crate::json::{Lexer, Next, SyntaxError};
use crate::schema::{Cardinality, Field, Kind, Message, MessageId, Schema, Shape};
use crate::wire;

type Result<T = ()> = std::result::Result<T, Error>;

/// What a JSON text may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) depth_max: usize,
}

/// Reads a whole JSON text as the message and appends its wire form.
pub(crate) fn read_message(
    schema: &Schema,
    id: MessageId,
    json: &[u8],
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result {
    let mut reader = Reader::new(schema, json, limits, out)?;
    reader.message(id)?;
    reader.finish()
}

/// Reads a whole JSON text as the value of one field and appends the field's wire form. `null` leaves it
/// unset, as it does within an object.
pub(crate) fn read_field(
    schema: &Schema,
    field: &Field,
    json: &[u8],
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result {
    let mut reader = Reader::new(schema, json, limits, out)?;
    reader.path.push(Step::Field(&field.json_name));
    if reader.peek()? == Next::Null && !reader.takes_null(field) {
        reader.lexer.word("null");
    } else {
        reader.field(field)?;
    }
    reader.finish()
}

/// Every protobuf decoder refuses what is nested deeper than this.
const MESSAGES_MAX: usize = 100;

enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(Cow<'a, str>),
}

struct Reader<'r, 'a> {
    schema: &'r Schema,
    lexer: Lexer<'a>,
    out: &'r mut Vec<u8>,
    path: Vec<Step<'a>>,
    depth: usize,
    depth_max: usize,
    /// Protobuf messages that are open, which are more than the JSON has objects.
    messages: usize,
    /// One stack of bit sets for all messages that are open, two for each: which of its fields were
    /// given, and which were given something else than `null`.
    given: Vec<u64>,
}

impl<'r: 'a, 'a> Reader<'r, 'a> {
    fn new(
        schema: &'r Schema,
        json: &'a [u8],
        limits: Limits,
        out: &'r mut Vec<u8>,
    ) -> Result<Self> {
        let text = std::str::from_utf8(json).map_err(|e| {
            Error::new(
                Code::MalformedBody,
                format!("the body is not UTF-8 at byte {}", e.valid_up_to()),
            )
        })?;
        Ok(Self {
            schema,
            lexer: Lexer::new(text),
            out,
            path: Vec::new(),
            depth: 0,
            depth_max: limits.depth_max,
            messages: 0,
            given: Vec::new(),
        })
    }

    fn finish(mut self) -> Result {
        self.lexer.end().map_err(|e| self.syntax(e))
    }

    /// Reads a message and appends its fields, without a tag or length around them.
    fn message(&mut self, id: MessageId) -> Result {
        let message = self.schema.message(id);
        match message.shape {
            Shape::Plain | Shape::HttpBody | Shape::Empty => {
                self.begin(Next::Object, "an object")?;
                self.members(message, None)?;
                self.depth -= 1;
                Ok(())
            }
            shape => self.well_known(shape, message),
        }
    }

    /// The members of an object that is open; `skip` is a key that is not a field (`@type`).
    fn members(&mut self, message: &'r Message, skip: Option<&str>) -> Result {
        let (given, width) = (self.given.len(), message.fields.len().div_ceil(64));
        self.given.resize(given + 2 * width, 0);
        let mut first = true;
        while let Some(key) = self.lexer.key(first).map_err(|e| self.syntax(e))? {
            first = false;
            if skip.is_some_and(|skip| key == skip) {
                self.lexer.skip(self.depth_max).map_err(|e| self.syntax(e))?;
                continue;
            }
            let Some(index) = message.by_name(&key) else {
                return Err(self.unknown(message, &key));
            };
            let field = &message.fields[index];
            self.path.push(Step::Field(&field.json_name));
            if !self.mark(given, index) {
                return Err(self.malformed("is given twice"));
            }
            if self.peek()? == Next::Null && !self.takes_null(field) {
                self.lexer.word("null");
            } else {
                self.oneof(message, given + width, index)?;
                self.field(field)?;
            }
            self.path.pop();
        }
        self.given.truncate(given);
        Ok(())
    }

    /// Marks a field in the bit set at `base`; false if it was before.
    fn mark(&mut self, base: usize, index: usize) -> bool {
        let word = &mut self.given[base + index / 64];
        let bit = 1 << (index % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Refuses a second member of a oneof; the set at `base` has the members that are set.
    fn oneof(&mut self, message: &Message, base: usize, index: usize) -> Result {
        let Some(oneof) = &message.fields[index].oneof else { return Ok(()) };
        self.mark(base, index);
        for sibling in oneof.siblings.iter().map(|s| *s as usize) {
            if self.given[base + sibling / 64] & (1 << (sibling % 64)) != 0 {
                let other = &message.fields[sibling].json_name;
                return Err(self.malformed(&format!(
                    "is given beside {other}, and only one of the oneof {} may be",
                    oneof.name
                )));
            }
        }
        Ok(())
    }

    /// `null` is a value of its own only for `Value` and `NullValue`; elsewhere it means unset.
    fn takes_null(&self, field: &Field) -> bool {
        let singular = matches!(field.cardinality, Cardinality::Singular { .. });
        singular
            && match field.kind {
                Kind::Message(id) => self.schema.message(id).shape == Shape::Value,
                Kind::Enum(id) => self.schema.enumeration(id).is_null,
                _ => false,
            }
    }

    /// Reads the value of a field and appends it with its tag.
    fn field(&mut self, field: &'r Field) -> Result {
        match field.cardinality {
            Cardinality::Singular { .. } => self.value(field),
            Cardinality::Map => self.map(field),
            Cardinality::Repeated { packed } if packed && field.kind.is_packable() => {
                self.begin(Next::List, "a list")?;
                wire::put_tag(self.out, field.number, wire::LEN);
                let start = wire::open(self.out);
                self.elements(|reader| reader.scalar(field.kind))?;
                if self.out.len() == start {
                    let tag_bytes = tag_bytes(field.number);
                    self.out.truncate(start - 1 - tag_bytes);
                } else {
                    wire::close(self.out, start);
                }
                Ok(())
            }
            Cardinality::Repeated { .. } => {
                self.begin(Next::List, "a list")?;
                self.elements(|reader| reader.value(field))
            }
        }
    }

    /// The elements of a list that is open.
    fn elements(&mut self, mut read: impl FnMut(&mut Self) -> Result) -> Result {
        let mut index = 0;
        while self.lexer.element(index == 0).map_err(|e| self.syntax(e))? {
            self.path.push(Step::Index(index));
            read(self)?;
            self.path.pop();
            index += 1;
        }
        self.depth -= 1;
        Ok(())
    }

    /// One value with its tag: a singular field, or one element of an unpacked list.
    fn value(&mut self, field: &'r Field) -> Result {
        match field.kind {
            Kind::Message(id) if field.group => {
                wire::put_tag(self.out, field.number, wire::GROUP_START);
                self.message(id)?;
                wire::put_tag(self.out, field.number, wire::GROUP_END);
                Ok(())
            }
            Kind::Message(id) => {
                let start = self.open(field.number)?;
                match self.schema.message(id).shape {
                    Shape::FieldMask => self.mask(field)?,
                    _ => self.message(id)?,
                }
                self.close(start);
                Ok(())
            }
            kind => {
                let start = self.out.len();
                wire::put_tag(self.out, field.number, wire_type(kind));
                let value = self.out.len();
                self.scalar(kind)?;
                // The default value is the absence of the field, and in every kind it is zero bytes.
                let implicit = field.cardinality == (Cardinality::Singular { presence: false });
                if implicit && self.out[value..].iter().all(|byte| *byte == 0) {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    fn map(&mut self, field: &'r Field) -> Result {
        let Kind::Message(entry) = field.kind else {
            return Err(Error::internal("a map without an entry message"));
        };
        let [key_field, value_field] = self.schema.message(entry).fields.as_slice() else {
            return Err(Error::internal("a map entry without key and value"));
        };
        self.begin(Next::Object, "an object")?;
        let mut keys = HashSet::new();
        let mut first = true;
        while let Some(key) = self.lexer.key(first).map_err(|e| self.syntax(e))? {
            first = false;
            self.path.push(Step::Key(key.clone()));
            let start = self.open(field.number)?;
            super::put_text(self.schema, key_field, &key, self.out)
                .map_err(|what| self.refuse(&what))?;
            if !keys.insert(self.out[start..].to_vec()) {
                return Err(self.malformed("is given twice"));
            }
            self.value(value_field)?;
            self.close(start);
            self.path.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    /// Opens an object or a list, one level deeper.
    fn begin(&mut self, opening: Next, expected: &str) -> Result {
        let next = self.peek()?;
        if next != opening {
            return Err(self.refuse(&format!("is {}, expected {expected}", next.describe())));
        }
        self.depth += 1;
        if self.depth > self.depth_max {
            let message = format!("the JSON is nested deeper than {} levels", self.depth_max);
            return Err(Error::new(Code::MalformedBody, message));
        }
        self.lexer.open();
        Ok(())
    }

    /// Begins an embedded message with its tag.
    fn open(&mut self, number: u32) -> Result<usize> {
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            let message =
                format!("the JSON is nested deeper than {MESSAGES_MAX} protobuf messages");
            return Err(Error::new(Code::MalformedBody, message));
        }
        wire::put_tag(self.out, number, wire::LEN);
        Ok(wire::open(self.out))
    }

    fn close(&mut self, start: usize) {
        self.messages -= 1;
        wire::close(self.out, start);
    }

    fn peek(&mut self) -> Result<Next> {
        self.lexer.next().map_err(|e| self.syntax(e))
    }

    fn syntax(&self, error: SyntaxError) -> Error {
        let message =
            format!("the JSON is malformed at byte {}: expected {}", error.at, error.expected);
        Error::new(Code::MalformedBody, message)
    }

    fn unknown(&mut self, message: &Message, key: &str) -> Error {
        self.path.push(Step::Key(key.to_owned().into()));
        self.malformed(&format!("is not a field of {}: {}", message.name, message.accepted()))
    }

    /// The body cannot be read as the message at this place.
    fn malformed(&self, what: &str) -> Error {
        let path = self.path();
        Error::new(Code::MalformedBody, format!("{path}: {what}")).with_field(path, what)
    }

    /// The value at this place is not one that the field takes.
    fn refuse(&self, what: &str) -> Error {
        match self.path() {
            path if path.is_empty() => Error::new(Code::MalformedBody, format!("the body {what}")),
            path => Error::invalid(path, what),
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Field(name) => push_name(&mut path, name),
                Step::Key(name) => push_name(&mut path, name),
            }
        }
        path
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(super::text::shortened(name).as_ref());
}

fn tag_bytes(number: u32) -> usize {
    let mut tag = Vec::with_capacity(5);
    wire::put_tag(&mut tag, number, wire::LEN);
    tag.len()
}

pub(super) fn wire_type(kind: Kind) -> u32 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => wire::FIXED64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => wire::FIXED32,
        Kind::String | Kind::Bytes | Kind::Message(_) => wire::LEN,
        _ => wire::VARINT,
    }
}
