//! The words of a filter.

use std::borrow::Cow;

use super::Comparison;
use crate::document::FieldPath;
use crate::document::path::parse_name;

/// What is wrong, and where: columns are characters, counted from 1.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) what: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    Has,
    Star,
    Sign(Comparison),
    /// A run of letters, digits and the like: a path, a number or a key word.
    Word(&'a str),
    /// One quoted text, which can also be the only name of a path.
    Quoted(Cow<'a, str>),
    /// A path of several names, some of them quoted.
    Path(FieldPath),
    End,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn fault(&self, at: usize, what: impl Into<String>) -> Fault {
        Fault { column: self.text[..at].chars().count() + 1, what: what.into() }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), Fault> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let sign = || Comparison::SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (token, length) = match rest.chars().next() {
            None => (Token::End, 0),
            Some('(') => (Token::Open, 1),
            Some(')') => (Token::Close, 1),
            Some(':') => (Token::Has, 1),
            Some('*') => (Token::Star, 1),
            Some(c) if c == '"' || is_word(c) => self.words(start)?,
            Some(c) => match sign() {
                Some((sign, comparison)) => (Token::Sign(*comparison), sign.len()),
                None => {
                    return Err(
                        self.fault(start, format!("`{}` is not known here", c.escape_debug()))
                    );
                }
            },
        };
        self.at = start + length;
        Ok((start, token))
    }

    /// Goes back to right after the sign with which the token at `at` begins, if that is a minus.
    pub(super) fn split_minus(&mut self, at: usize) -> bool {
        let is_minus = self.text[at..].starts_with('-');
        if is_minus {
            self.at = at + 1;
        }
        is_minus
    }

    /// Words and quoted texts that stand together without a space.
    fn words(&self, start: usize) -> Result<(Token<'a>, usize), Fault> {
        let text = &self.text[start..];
        if text.starts_with("-\"") {
            return Ok((Token::Word(&text[..1]), 1));
        }
        let mut end = 0;
        while let Some(c) = text[end..].chars().next().filter(|c| *c == '"' || is_word(*c)) {
            end += if c == '"' {
                let unclosed = || self.fault(start + end, "the quoted text does not end");
                let (_, rest) = parse_name(&text[end..]).ok_or_else(unclosed)?;
                text.len() - end - rest.len()
            } else {
                c.len_utf8()
            };
        }
        let run = &text[..end];
        let token = match parse_name(run) {
            Some((name, "")) if run.starts_with('"') => Token::Quoted(name),
            _ if !run.contains('"') => Token::Word(run),
            _ => Token::Path(run.parse().map_err(|_| self.fault(start, "this is not a path"))?),
        };
        Ok((token, end))
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '+' | '.')
}
