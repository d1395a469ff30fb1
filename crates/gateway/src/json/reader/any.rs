//! `google.protobuf.Any`: an object that names its own type, at any place among its members.

use crate::json::{Lexer, Next};
use crate::schema::Shape;
use crate::wire;

use super::{Reader, Result, Step};

const TYPE: &str = "@type";

impl<'r: 'a, 'a> Reader<'r, 'a> {
    pub(super) fn any(&mut self) -> Result {
        self.begin(Next::Object, "an object with @type")?;
        let Some(type_url) = self.find_type(self.lexer.clone())? else {
            // The empty object is an Any that holds nothing.
            let mut lexer = self.lexer.clone();
            if lexer.key(true).map_err(|e| self.syntax(e))?.is_some() {
                return Err(self.refuse("has no @type, which names the message that it holds"));
            }
            self.lexer = lexer;
            self.depth -= 1;
            return Ok(());
        };
        let name = type_url.rsplit('/').next().unwrap_or(&type_url);
        let Some(id) = self.schema.find(name).filter(|_| type_url.contains('/')) else {
            self.path.push(Step::Field(TYPE));
            let value = super::super::text::shortened(&type_url).into_owned();
            return Err(self.refuse(&format!(
                "{value} is not accepted: type.googleapis.com/ and the full name of a message that this API knows"
            )));
        };
        wire::put_tag(self.out, 1, wire::LEN);
        wire::put_bytes(self.out, type_url.as_bytes());
        let start = self.open(2)?;
        let message = self.schema.message(id);
        if message.shape == Shape::Plain {
            self.members(message, Some(TYPE))?;
        } else {
            self.wrapped(id)?;
        }
        self.close(start);
        self.depth -= 1;
        Ok(())
    }

    /// A message with a JSON form of its own stands in the member `value`.
    fn wrapped(&mut self, id: crate::schema::MessageId) -> Result {
        let mut first = true;
        let mut given = false;
        while let Some(key) = self.lexer.key(first).map_err(|e| self.syntax(e))? {
            first = false;
            match key.as_ref() {
                TYPE => self.lexer.skip(self.depth_max).map_err(|e| self.syntax(e))?,
                "value" => {
                    self.path.push(Step::Field("value"));
                    if given {
                        return Err(self.malformed("is given twice"));
                    }
                    given = true;
                    self.message(id)?;
                    self.path.pop();
                }
                other => return Err(self.unknown(self.schema.message(id), other)),
            }
        }
        Ok(())
    }

    /// Reads ahead over the members of the object for its type.
    fn find_type(&mut self, mut ahead: Lexer<'a>) -> Result<Option<String>> {
        let mut found = None;
        let mut first = true;
        while let Some(key) = ahead.key(first).map_err(|e| self.syntax(e))? {
            first = false;
            if key != TYPE {
                ahead.skip(self.depth_max).map_err(|e| self.syntax(e))?;
                continue;
            }
            self.path.push(Step::Field(TYPE));
            if found.is_some() {
                return Err(self.malformed("is given twice"));
            }
            match ahead.next().map_err(|e| self.syntax(e))? {
                Next::String => {
                    found = Some(ahead.string().map_err(|e| self.syntax(e))?.into_owned());
                }
                next => {
                    return Err(self.refuse(&format!("is {}, expected a string", next.describe())));
                }
            }
            self.path.pop();
        }
        Ok(found)
    }
}
