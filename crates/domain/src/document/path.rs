//! Paths of fields: `inventory.gold`, `items.3`, `statistics."boss.kills"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::{Error, Result};

const ACCEPTED: &str = "accepts 1 to 32 names of at most 256 bytes joined by dots, such as \
    `inventory.gold`; items of a list by number from 0, such as `items.3`; a name with anything but \
    letters, digits, `_` and `-` in quotes, such as `statistics.\"boss.kills\"`";

/// The path of a field below the state. It holds its canonical text and nothing else, so that
/// decoding an event costs no allocation per name.
///
/// A number names an item where a list is, and an entry where a map is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    text: Box<str>,
    quoted: bool,
}

impl FieldPath {
    /// The path that names lead along, at least one.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Self::try_from(Self::print(names))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names, outermost first.
    pub fn segments(&self) -> Segments<'_> {
        Segments { rest: Some(&self.text), quoted: self.quoted }
    }

    /// Whether this is the field `name` of a state, or lies below it.
    pub(super) fn begins_with(&self, name: &str) -> bool {
        if self.quoted {
            return self.segments().next().is_some_and(|first| first == name);
        }
        // A name with a dot in it would be in quotes.
        let rest = self.text.strip_prefix(name).filter(|_| !name.contains('.'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Whether `other` is this field or lies below it.
    pub fn covers(&self, other: &Self) -> bool {
        let mut theirs = other.segments();
        self.segments().all(|name| theirs.next().is_some_and(|other| name == other))
    }

    /// The canonical text of a path along `names`.
    pub(crate) fn print<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for (depth, name) in names.into_iter().enumerate() {
            if depth > 0 {
                text.push('.');
            }
            push_name(&mut text, name);
        }
        text
    }
}

/// The names of a path, outermost first.
#[derive(Clone)]
pub struct Segments<'a> {
    rest: Option<&'a str>,
    quoted: bool,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        if self.quoted {
            // The text was parsed before, so that a name stands here.
            let (name, rest) = parse_name(rest)?;
            self.rest = rest.strip_prefix('.');
            return Some(name);
        }
        let (name, rest) = rest.split_once('.').map_or((rest, None), |(n, r)| (n, Some(r)));
        self.rest = rest;
        Some(Cow::Borrowed(name))
    }
}

impl TryFrom<String> for FieldPath {
    type Error = Error;

    /// Keeps the memory of `text` if that is canonical.
    fn try_from(text: String) -> Result<Self> {
        match check(&text) {
            Some(Form::Plain) => Ok(Self { text: text.into(), quoted: false }),
            Some(Form::Quoted) => {
                let parsed = Self { text: text.into(), quoted: true };
                let names: Vec<_> = parsed.segments().collect();
                let text = Self::print(names.iter().map(|name| &**name));
                let quoted = text.contains('"');
                Ok(Self { text: text.into(), quoted })
            }
            None => Err(refusal(&text)),
        }
    }
}

impl FromStr for FieldPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > PATH_BYTES_MAX {
            Err(refusal(text))
        } else {
            Self::try_from(text.to_owned())
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

/// The number that a name stands for where a list is: digits without leading zeros.
pub(super) fn index(name: &str) -> Option<usize> {
    let plain = name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = plain && (name == "0" || !name.starts_with('0'));
    if canonical { name.parse().ok() } else { None }
}

/// Reads one name, plain or quoted, and answers what follows it.
pub(super) fn parse_name(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
        return (end > 0).then(|| (Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let end = inside.find(['"', '\\'])?;
    if inside.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&inside[..end]), &inside[end + 1..]));
    }
    let mut name = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(name), &inside[at + 1..])),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => name.push(escaped),
                _ => return None,
            },
            other => name.push(other),
        }
    }
    None
}

pub(super) fn push_name(text: &mut String, name: &str) {
    if !name.is_empty() && name.chars().all(is_plain) {
        text.push_str(name);
        return;
    }
    text.push('"');
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}

enum Form {
    Plain,
    Quoted,
}

/// The form of an acceptable path; `None` if it is not one.
fn check(text: &str) -> Option<Form> {
    if text.len() > PATH_BYTES_MAX {
        return None;
    }
    let (mut rest, mut depth, mut quoted) = (text, 0, false);
    loop {
        quoted |= rest.starts_with('"');
        let (name, after) = parse_name(rest)?;
        depth += 1;
        if name.len() > NAME_BYTES_MAX || depth > VALUE_DEPTH_MAX {
            return None;
        }
        if after.is_empty() {
            return Some(if quoted { Form::Quoted } else { Form::Plain });
        }
        rest = after.strip_prefix('.')?;
    }
}

fn refusal(text: &str) -> Error {
    const SHOWN_CHARS_MAX: usize = 64;
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    Error::invalid("path", ACCEPTED).with_fact("value", shown)
}

#[cfg(test)]
mod tests;
