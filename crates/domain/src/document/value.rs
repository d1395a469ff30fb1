//! The values that a state is made of.

pub mod limits;
mod map;
mod names;
mod number;

use std::fmt;
use std::sync::Arc;

pub use map::Map;
pub use number::{Fraction, Number};

use super::FieldPath;
use crate::Result;

/// A value of a state.
///
/// Numbers travel as doubles in JSON and `google.protobuf.Struct`, so whole numbers are held within
/// ±(2^53 − 1), where a double is exact, and everything beyond is refused: a caller's
/// 9007199254740993 must not silently become another number. A number has one form only: whole
/// numbers are [`Value::Int`], all others [`Value::Float`]; thus 2 and 2.0 are equal, and NaN and the
/// infinities cannot be held.
///
/// Clones share texts, lists and maps until one of them changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    /// Within ±[`limits::INT_ABS_MAX`].
    Int(i64),
    Float(Fraction),
    Text(Arc<str>),
    List(Arc<Vec<Value>>),
    Map(Map),
}

/// What a value is, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List,
    Map,
}

impl Value {
    /// A whole number.
    pub fn int(number: i64) -> Result<Self> {
        Number::int(number).map(Self::from).ok_or_else(number::refusal)
    }

    /// Any number that JSON can say.
    pub fn number(number: f64) -> Result<Self> {
        Number::new(number).map(Self::from).ok_or_else(number::refusal)
    }

    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub const fn empty_map() -> Self {
        Self::Map(Map::new())
    }

    pub const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub const fn as_number(&self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::Int(*value)),
            Self::Float(value) => Some(Number::Fraction(*value)),
            _ => None,
        }
    }

    /// The number as a double, which is exact.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(value.get()),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub const fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub const fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value at `path`, if there is one: names lead into maps, numbers into lists.
    pub fn get(&self, path: &FieldPath) -> Option<&Self> {
        path.segments().try_fold(self, |value, segment| value.child(&segment))
    }

    /// The entry `name` of a map, or the item of that number of a list.
    pub fn child(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            Self::List(items) => items.get(super::path::index(name)?),
            _ => None,
        }
    }

    /// Whether both have the same at `path`, as far as that is plain: what a change leaves as it was is
    /// shared by the states before and after it.
    pub(super) fn shares(&self, other: &Self, path: &FieldPath) -> bool {
        let mut both = (self, other);
        for name in path.segments() {
            let children = match both {
                (Self::Map(one), Self::Map(other)) if one.is_shared(other) => return true,
                (Self::Map(one), Self::Map(other)) => one.pair(other, &name),
                (one, other) => (one.child(&name), other.child(&name)),
            };
            both = match children {
                (Some(one), Some(other)) => (one, other),
                (one, other) => return one.is_none() && other.is_none(),
            };
        }
        both.0.is_plainly(both.1)
    }

    /// Whether both are the same, without comparing lists and maps item by item.
    fn is_plainly(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Map(one), Self::Map(other)) => one.is_shared(other),
            (Self::List(one), Self::List(other)) => Arc::ptr_eq(one, other),
            (one, other) => one == other,
        }
    }

    /// An estimate of the memory that this value holds, for the budget of a cache: as if it shared
    /// nothing with others.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::Text(text) => text.len(),
            Self::List(items) => {
                size_of::<Vec<Self>>()
                    + items.capacity() * size_of::<Self>()
                    + items.iter().map(Self::heap_bytes).sum::<usize>()
            }
            Self::Map(map) => map.heap_bytes(),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Every `i32` is within the range of whole numbers.
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        match value {
            Number::Int(value) => Self::Int(value),
            Number::Fraction(value) => Self::Float(value),
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

/// A short form for messages: long texts are cut, lists and maps are told by their length.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TEXT_CHARS_MAX: usize = 64;
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => match text.char_indices().nth(TEXT_CHARS_MAX) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Self::List(items) => write!(f, "list of {}", items.len()),
            Self::Map(map) => write!(f, "map of {}", map.len()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

#[cfg(test)]
mod tests;
