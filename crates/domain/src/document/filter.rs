//! Predicates for lists and watches, in the manner of AIP-160:
//! `level >= 10 AND (status = "online" OR NOT inventory.gold < 5)`.

mod lexer;
mod matching;
mod parser;
mod print;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{FieldPath, Number, Schema, Value};
use crate::{Error, Result};

/// A filter, in bytes.
const FILTER_BYTES_MAX: usize = 2_048;
/// Parentheses and `NOT` nest at most this deep.
const FILTER_DEPTH_MAX: usize = 32;
/// Comparisons of a filter.
const FILTER_TERMS_MAX: usize = 64;

/// A predicate on an aggregate.
///
/// `a = 5`, `!=`, `<`, `<=`, `>`, `>=` compare a field with a text, a number, `true`, `false` or
/// `null`; `a : "x"` is true if a text contains it, a list has it as an item or a map as a name;
/// `a : *` is true if the field is there. Terms are joined by `NOT`, `OR` and `AND`, of which `OR`
/// binds closer than `AND` (as AIP-160 has it), and two terms side by side are joined by `AND`.
/// `-` before a term is `NOT`; a field whose name begins with it is quoted: `"-n"`.
/// A field that is absent is as one with null. `<` and its like are false between different kinds;
/// texts are compared by bytes. `_type`, `_id`, `_version`, `_updated_at` and `_kind` (of the event)
/// tell of the aggregate itself, and `changed : position` is true if the event changed that field:
/// creation and deletion change every field that is there.
/// A field of the state with one of these names is quoted: `"_type"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// `None` is the empty filter, which everything matches.
    root: Option<Node>,
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub type_name: &'a str,
    pub id: &'a str,
    pub version: u64,
    pub updated_at_us: i64,
    /// Null if the aggregate does not exist.
    pub state: &'a Value,
    /// The event, for a watch.
    pub event: Option<EventFacts<'a>>,
}

/// What a watch knows of an event.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    pub kind: &'a str,
    /// The state before it.
    pub before: &'a Value,
    /// The state after it; null if the aggregate was deleted.
    pub after: &'a Value,
}

impl Filter {
    /// The filter that everything matches.
    pub const fn all() -> Self {
        Self { root: None }
    }

    pub const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.root.as_ref().is_none_or(|root| matching::matches(root, facts))
    }

    /// Whether it looks at events (`changed`, `_kind`), which a list does not have.
    pub fn needs_events(&self) -> bool {
        self.root.as_ref().is_some_and(Node::needs_events)
    }

    /// Whether it looks at an aggregate or an event (`_type`, `changed` and their like), which a plain
    /// value is not.
    pub fn needs_aggregate(&self) -> bool {
        let is_plain = |asked: &Asked<'_>| matches!(asked, Asked::Value(_));
        !self.root.iter().flat_map(Node::asks).all(|asked| is_plain(&asked))
    }

    /// Refuses fields that values of a closed type cannot have: they would match nothing, silently.
    pub fn check_fields(&self, schema: &Schema) -> Result<()> {
        let mut asked = Vec::new();
        self.root.iter().for_each(|root| root.paths(&mut asked));
        match asked.into_iter().find(|path| !schema.may_hold(path)) {
            None => Ok(()),
            Some(unknown) => {
                let (name, nearest) = (schema.type_name(), schema.nearest(unknown));
                let nearest = nearest.map(|path| format!(", perhaps {path}"));
                let nearest = nearest.unwrap_or_default();
                let declared = schema.declaration().fields.iter();
                let declared: Vec<_> = declared.map(|field| field.path.as_str()).collect();
                let accepted = declared.join(", ");
                let what =
                    format!("{unknown} is not a field of {name}{nearest}: accepts {accepted}");
                Err(Error::invalid("filter", what).with_fact("field", unknown))
            }
        }
    }

    /// The fields of the value that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = &FieldPath> {
        self.root.iter().flat_map(Node::asks).filter_map(|asked| match asked {
            Asked::Value(path) => Some(path),
            Asked::Aggregate => None,
        })
    }

    /// The same for filters that are written the same in the canonical form, on every machine and in
    /// every version: 64-bit FNV-1a of that form. It binds tokens to their filter; it is no secret.
    pub fn fingerprint(&self) -> u64 {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        self.to_string().bytes().fold(OFFSET_BASIS, step)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parser::parse(text).map(|root| Self { root }).map_err(|fault| {
            let at = fault.column;
            Error::invalid("filter", format!("column {at}: {}", fault.what)).with_fact("column", at)
        })
    }
}

/// The canonical form: parsed again, it is the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |root| print::print(root, f))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Node {
    /// At least two, none of them an `And`.
    And(Vec<Node>),
    /// At least two, none of them an `Or`.
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Subject, Comparison, Literal),
    Has(Subject, Literal),
    Present(Subject),
    Changed(FieldPath),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Field(FieldPath),
    Type,
    Id,
    Version,
    UpdatedAt,
    Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Literal {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

impl Node {
    fn needs_events(&self) -> bool {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(Self::needs_events),
            Self::Not(node) => node.needs_events(),
            Self::Changed(_) => true,
            Self::Compare(subject, ..) | Self::Has(subject, _) | Self::Present(subject) => {
                *subject == Subject::Kind
            }
        }
    }
}

/// What a comparison looks at.
enum Asked<'a> {
    Value(&'a FieldPath),
    Aggregate,
}

impl Node {
    /// The fields that it looks at, of the state or of what an event changed.
    fn paths<'a>(&'a self, found: &mut Vec<&'a FieldPath>) {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.paths(found)),
            Self::Not(node) => node.paths(found),
            Self::Changed(path)
            | Self::Compare(Subject::Field(path), ..)
            | Self::Has(Subject::Field(path), _)
            | Self::Present(Subject::Field(path)) => found.push(path),
            Self::Compare(..) | Self::Has(..) | Self::Present(_) => {}
        }
    }

    fn asks(&self) -> Vec<Asked<'_>> {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().flat_map(Self::asks).collect(),
            Self::Not(node) => node.asks(),
            Self::Compare(Subject::Field(path), ..)
            | Self::Has(Subject::Field(path), _)
            | Self::Present(Subject::Field(path)) => vec![Asked::Value(path)],
            Self::Compare(..) | Self::Has(..) | Self::Present(_) | Self::Changed(_) => {
                vec![Asked::Aggregate]
            }
        }
    }
}

impl Subject {
    /// The subjects beside fields of the state.
    const META: [(&str, Self); 5] = [
        ("_type", Self::Type),
        ("_id", Self::Id),
        ("_version", Self::Version),
        ("_updated_at", Self::UpdatedAt),
        ("_kind", Self::Kind),
    ];
}

impl Comparison {
    /// Longer signs first, so that the first that fits is the right one.
    const SIGNS: [(&str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    const fn accepts(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Equal => matches!(ordering, Some(Ordering::Equal)),
            Self::NotEqual => !matches!(ordering, Some(Ordering::Equal)),
            Self::Less => matches!(ordering, Some(Ordering::Less)),
            Self::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => matches!(ordering, Some(Ordering::Greater)),
            Self::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

#[cfg(test)]
mod tests;
