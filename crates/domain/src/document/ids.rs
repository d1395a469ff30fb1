//! Names of aggregates.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// The type of an aggregate, such as `player`: 1 to 64 characters of `[a-z][a-z0-9_-]*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AggregateType(Box<str>);

/// The id of an aggregate within its type: 1 to 256 bytes of UTF-8 without control characters, and
/// without white space at either end, where it would be lost in logs and forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AggregateId(Box<str>);

impl AggregateType {
    pub const CHARS_MAX: usize = 64;
    const ACCEPTED: &str = "accepts 1 to 64 characters: a lower-case letter, then lower-case letters, \
        digits, `_` and `-`";

    /// Whether a text is one, without keeping it.
    pub fn check(text: &str) -> Result<()> {
        let valid = text.len() <= Self::CHARS_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if valid { Ok(()) } else { Err(Error::invalid("type", Self::ACCEPTED)) }
    }
}

impl AggregateId {
    pub const BYTES_MAX: usize = 256;
    const ACCEPTED: &str = "accepts 1 to 256 bytes of UTF-8 without control characters and without \
        spaces at its ends";

    /// Whether a text is one, without keeping it.
    pub fn check(text: &str) -> Result<()> {
        let valid = (1..=Self::BYTES_MAX).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text.trim().len() == text.len();
        if valid { Ok(()) } else { Err(Error::invalid("id", Self::ACCEPTED)) }
    }
}

impl FromStr for AggregateType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for AggregateId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }
}

macro_rules! text {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(AggregateType);
text!(AggregateId);

/// So that a map of types can be asked with a `&str`.
impl Borrow<str> for AggregateType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests;
