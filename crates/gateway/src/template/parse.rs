//! The grammar.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Segment, Template, Variable};

/// What is left as it is in a literal.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'@');

/// Where a template breaks the grammar, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct TemplateError {
    pub at: usize,
    pub what: &'static str,
}

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn parse(text: &str) -> Result<Template> {
    let mut parser = Parser { text, at: 0, segments: Vec::new(), variables: Vec::new() };
    parser.expect('/', "a template begins with /")?;
    parser.segments(false)?;
    let verb = if parser.take(':') { Some(parser.literal(true)?) } else { None };
    if parser.at < text.len() {
        return parser.fail("expected / or the end");
    }
    let Parser { segments, variables, .. } = parser;
    if segments.iter().rev().skip(1).any(|segment| *segment == Segment::Rest) {
        return Err(TemplateError { at: text.len(), what: "** stands only at the end" });
    }
    for (i, variable) in variables.iter().enumerate() {
        if variables[..i].iter().any(|other| other.field_path == variable.field_path) {
            return Err(TemplateError {
                at: text.len(),
                what: "two variables have the same field",
            });
        }
    }
    Ok(Template { segments, verb, variables })
}

pub(super) fn encode_literal(text: &str) -> impl Display {
    utf8_percent_encode(text, LITERAL)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl Parser<'_> {
    fn segments(&mut self, in_variable: bool) -> Result<()> {
        loop {
            self.segment(in_variable)?;
            if !self.take('/') {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, in_variable: bool) -> Result<()> {
        match self.peek() {
            Some('{') if in_variable => self.fail("a variable holds no other variable"),
            Some('{') => self.variable(),
            Some('*') => {
                self.at += 1;
                let segment = if self.take('*') { Segment::Rest } else { Segment::Any };
                if self.peek() == Some('*') {
                    return self.fail("expected * or **");
                }
                self.segments.push(segment);
                Ok(())
            }
            _ => {
                let literal = self.literal(in_variable)?;
                self.segments.push(Segment::Literal(literal));
                Ok(())
            }
        }
    }

    fn variable(&mut self) -> Result<()> {
        self.at += 1;
        let mut field_path = vec![self.ident()?];
        while self.take('.') {
            field_path.push(self.ident()?);
        }
        let start = self.segments.len();
        if self.take('=') {
            self.segments(true)?;
        } else {
            self.segments.push(Segment::Any);
        }
        self.expect('}', "expected }")?;
        let end = self.segments.len();
        let to_the_end = self.segments[end - 1] == Segment::Rest;
        let multi = end - start > 1 || to_the_end;
        self.variables.push(Variable { field_path, start, end, multi, to_the_end });
        Ok(())
    }

    fn ident(&mut self) -> Result<String> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return self.fail("expected the name of a field");
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    /// A literal goes to the next `/`. A `:` ends it too where a verb can follow: in the last segment of
    /// the template, outside of variables.
    fn literal(&mut self, keep_colon: bool) -> Result<String> {
        let rest = &self.text[self.at..];
        let end = rest.find(['/', '{', '}', '*']).unwrap_or(rest.len());
        let last = end == rest.len();
        let end = match rest[..end].rfind(':') {
            Some(colon) if last && !keep_colon => colon,
            _ => end,
        };
        let raw = &rest[..end];
        if raw.is_empty() {
            return self.fail("expected a segment");
        }
        if raw.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return self.fail("a literal has no white space, ? or #");
        }
        if !percent_is_valid(raw) {
            return self.fail("% is followed by two hexadecimal digits");
        }
        match percent_decode_str(raw).decode_utf8() {
            Ok(decoded) => {
                self.at += end;
                Ok(decoded.into_owned())
            }
            Err(_) => self.fail("a literal is UTF-8"),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, char: char) -> bool {
        let found = self.peek() == Some(char);
        if found {
            self.at += char.len_utf8();
        }
        found
    }

    fn expect(&mut self, char: char, what: &'static str) -> Result<()> {
        if self.take(char) { Ok(()) } else { self.fail(what) }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T> {
        Err(TemplateError { at: self.at, what })
    }
}

/// Whether every `%` begins an escape.
pub(crate) fn percent_is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(i, _)| {
        matches!(bytes.get(i + 1..i + 3), Some(hex) if hex.iter().all(u8::is_ascii_hexdigit))
    })
}
