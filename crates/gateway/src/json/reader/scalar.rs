//! Scalars from JSON: numbers as numbers or strings, enums by name or number, bytes as base64.

use crate::json::Next;
use crate::json::text;
use crate::schema::Kind;

use super::{Reader, Result};

impl<'r: 'a, 'a> Reader<'r, 'a> {
    /// Reads a scalar and appends it without a tag.
    pub(super) fn scalar(&mut self, kind: Kind) -> Result {
        match (self.peek()?, kind) {
            (Next::String, Kind::Bool) => Err(self.mismatch(Next::String, kind)),
            (Next::String, kind) => {
                let value = self.lexer.string().map_err(|e| self.syntax(e))?;
                text::put_scalar(self.schema, kind, &value, self.out)
                    .map_err(|what| self.refuse(&what))
            }
            (Next::Number, Kind::String | Kind::Bytes | Kind::Bool) => {
                Err(self.mismatch(Next::Number, kind))
            }
            (Next::Number, kind) => {
                let value = self.lexer.number().map_err(|e| self.syntax(e))?;
                text::put_scalar(self.schema, kind, value, self.out)
                    .map_err(|what| self.refuse(&what))
            }
            (Next::True, Kind::Bool) => {
                self.word("true", 1);
                Ok(())
            }
            (Next::False, Kind::Bool) => {
                self.word("false", 0);
                Ok(())
            }
            (Next::Null, Kind::Enum(id)) if self.schema.enumeration(id).is_null => {
                self.word("null", 0);
                Ok(())
            }
            (next, kind) => Err(self.mismatch(next, kind)),
        }
    }

    /// Reads a word and appends what it stands for.
    pub(super) fn word(&mut self, word: &str, value: u8) {
        self.lexer.word(word);
        self.out.push(value);
    }

    fn mismatch(&self, next: Next, kind: Kind) -> gamemesh_rpc::error::Error {
        self.refuse(&format!(
            "is {}, expected {}",
            next.describe(),
            text::accepted(self.schema, kind)
        ))
    }
}
