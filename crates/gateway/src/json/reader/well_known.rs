//! The messages of `google.protobuf` that have a JSON form of their own.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::json::{Next, text};
use crate::schema::{Field, Message, Shape};
use crate::wire;

use super::{Reader, Result, Step};

impl<'r: 'a, 'a> Reader<'r, 'a> {
    pub(super) fn well_known(&mut self, shape: Shape, message: &'r Message) -> Result {
        match shape {
            Shape::Wrapper => self.value(&message.fields[0]),
            Shape::Timestamp | Shape::Duration => {
                let value = self.shaped(shape)?;
                text::put_shaped(shape, &value, self.out).map_err(|what| self.refuse(&what))
            }
            // Nothing says what a mask describes that stands alone.
            Shape::FieldMask => {
                let value = self.shaped(shape)?;
                text::put_mask(self.schema, &message.fields[0], &value, self.out);
                Ok(())
            }
            Shape::Struct => self.object(),
            Shape::ListValue => self.values(),
            Shape::Value => self.json_value(),
            Shape::Any => self.any(),
            Shape::Plain | Shape::HttpBody | Shape::Empty => {
                self.begin(Next::Object, "an object")?;
                self.members(message, None)?;
                self.depth -= 1;
                Ok(())
            }
        }
    }

    /// A field that holds a mask.
    pub(super) fn mask(&mut self, field: &'r Field) -> Result {
        let value = self.shaped(Shape::FieldMask)?;
        text::put_mask(self.schema, field, &value, self.out);
        Ok(())
    }

    /// The string that a message of this shape is in JSON.
    fn shaped(&mut self, shape: Shape) -> Result<Cow<'a, str>> {
        match self.peek()? {
            Next::String => self.lexer.string().map_err(|e| self.syntax(e)),
            next => {
                let what =
                    format!("is {}, expected {}", next.describe(), text::accepted_shape(shape));
                Err(self.refuse(&what))
            }
        }
    }

    /// A `Struct`: `map<string, Value> fields = 1`.
    fn object(&mut self) -> Result {
        self.begin(Next::Object, "an object")?;
        let mut keys = HashSet::new();
        let mut first = true;
        while let Some(key) = self.lexer.key(first).map_err(|e| self.syntax(e))? {
            first = false;
            self.path.push(Step::Key(key.clone()));
            let entry = self.open(1)?;
            wire::put_tag(self.out, 1, wire::LEN);
            wire::put_bytes(self.out, key.as_bytes());
            if !keys.insert(key) {
                return Err(self.malformed("is given twice"));
            }
            let value = self.open(2)?;
            self.json_value()?;
            self.close(value);
            self.close(entry);
            self.path.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    /// A `ListValue`: `repeated Value values = 1`.
    fn values(&mut self) -> Result {
        self.begin(Next::List, "a list")?;
        self.elements(|reader| {
            let start = reader.open(1)?;
            reader.json_value()?;
            reader.close(start);
            Ok(())
        })
    }

    /// A `Value`: one of null, number, string, bool, struct and list, by field number.
    fn json_value(&mut self) -> Result {
        match self.peek()? {
            Next::Null => {
                wire::put_tag(self.out, 1, wire::VARINT);
                self.word("null", 0);
                Ok(())
            }
            Next::Number => {
                wire::put_tag(self.out, 2, wire::FIXED64);
                self.scalar(crate::schema::Kind::Double)
            }
            Next::String => {
                wire::put_tag(self.out, 3, wire::LEN);
                let value = self.lexer.string().map_err(|e| self.syntax(e))?;
                wire::put_bytes(self.out, value.as_bytes());
                Ok(())
            }
            Next::True => {
                wire::put_tag(self.out, 4, wire::VARINT);
                self.word("true", 1);
                Ok(())
            }
            Next::False => {
                wire::put_tag(self.out, 4, wire::VARINT);
                self.word("false", 0);
                Ok(())
            }
            Next::Object => {
                let start = self.open(5)?;
                self.object()?;
                self.close(start);
                Ok(())
            }
            Next::List => {
                let start = self.open(6)?;
                self.values()?;
                self.close(start);
                Ok(())
            }
        }
    }
}
