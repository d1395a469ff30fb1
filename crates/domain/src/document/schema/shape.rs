//! Whether a state has the declared shape.

use std::cmp::Ordering;
use std::fmt;

use super::{Field, Schema, ValueSchema};
use crate::document::limits::INT_ABS_MAX;
use crate::document::timestamp::parse_timestamp;
use crate::document::{FieldPath, Map, Value};
use crate::{Code, Error, Result};

/// So many violations are named in one refusal.
const VIOLATIONS_MAX: usize = 16;

/// So many fields are named to who has named another one.
const NAMES_MAX: usize = 16;

/// The declared fields as a tree along their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    /// Index of the field that ends here.
    field: Option<usize>,
    /// In ascending order of the name.
    children: Vec<(Box<str>, Node)>,
}

impl Node {
    pub(super) fn of(fields: &[Field]) -> Self {
        let mut root = Self::default();
        for (index, field) in fields.iter().enumerate() {
            let node = field.path.segments().fold(&mut root, |node, name| node.grow(&name));
            node.field = Some(index);
        }
        root
    }

    fn grow(&mut self, name: &str) -> &mut Self {
        let at = self.search(name).unwrap_or_else(|at| {
            self.children.insert(at, (name.into(), Self::default()));
            at
        });
        &mut self.children[at].1
    }

    /// Which of the children has a name, for names in ascending order: both are, so each child is met
    /// once.
    fn ascending<'a>(&'a self) -> impl FnMut(&str) -> Option<&'a Self> {
        let mut children = self.children.as_slice();
        move |name| {
            while let [(child, node), rest @ ..] = children {
                match (**child).cmp(name) {
                    Ordering::Less => children = rest,
                    Ordering::Equal => return Some(node),
                    Ordering::Greater => break,
                }
            }
            None
        }
    }

    /// The names of what stands here, as far as a refusal should be long.
    fn names(&self) -> String {
        let mut names: Vec<&str> =
            self.children.iter().take(NAMES_MAX).map(|(name, _)| &**name).collect();
        match names.len() {
            0 => names.push("none"),
            NAMES_MAX if self.children.len() > NAMES_MAX => names.push("…"),
            _ => {}
        }
        names.join(", ")
    }

    fn search(&self, name: &str) -> Result<usize, usize> {
        self.children.binary_search_by(|(child, _)| (**child).cmp(name))
    }
}

/// What does not fit and is as it was `before` is passed over.
pub(super) fn check(schema: &Schema, before: &Value, state: &Value) -> Result<()> {
    let declaration = &schema.declaration;
    let mut check =
        Check { fields: &declaration.fields, open: declaration.open, ..Check::default() };
    match state {
        Value::Map(map) => check.map(map, Some(&schema.tree), check.undeclared(), None),
        other => check.refuse(other, None, "accepts a map", ""),
    }
    for field in declaration.fields.iter().filter(|field| field.required) {
        if state.get(&field.path).is_none_or(Value::is_null) {
            check.refuse_field(field.path.to_string(), "null", "is required".into(), "required");
        }
    }
    if !before.is_null() {
        check.violations.retain(|violation| !violation.is_as_before(before, state));
    }
    check.finish()
}

/// Whether `value` is one that `schema` takes; what it accepts if not.
pub(super) fn check_value(schema: &ValueSchema, value: &Value) -> Result<(), String> {
    let mut check = Check::default();
    check.value(schema, value, None, None);
    check.violations.into_iter().next().map_or(Ok(()), |violation| Err(violation.what))
}

#[derive(Default)]
struct Check<'a> {
    fields: &'a [Field],
    open: bool,
    violations: Vec<Violation>,
    more: usize,
}

/// Where a value stands, from the inside out: it costs nothing until there is something to refuse.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: Name<'a>,
    within: Option<&'a Place<'a>>,
}

#[derive(Clone, Copy)]
enum Name<'a> {
    Entry(&'a str),
    Item(usize),
}

struct Violation {
    field: String,
    value: String,
    what: String,
    bound: String,
}

impl Violation {
    fn is_as_before(&self, before: &Value, after: &Value) -> bool {
        let path = self.field.parse::<FieldPath>();
        path.is_ok_and(|path| before.get(&path) == after.get(&path))
    }
}

/// What may stand beside the declared fields.
#[derive(Clone, Copy)]
enum Others<'a> {
    Refused,
    Anything,
    Of(&'a ValueSchema),
}

impl<'a> Check<'a> {
    const fn undeclared(&self) -> Others<'a> {
        if self.open { Others::Anything } else { Others::Refused }
    }

    fn map(
        &mut self,
        map: &Map,
        node: Option<&Node>,
        others: Others<'_>,
        within: Option<&Place<'_>>,
    ) {
        let mut child = node.map(Node::ascending);
        for (name, value) in map.iter() {
            let place = Some(&Place { name: Name::Entry(name), within });
            match (child.as_mut().and_then(|child| child(name)), others) {
                (Some(child), _) => self.field(child, value, place),
                (None, Others::Anything) => {}
                (None, Others::Of(schema)) => self.value(schema, value, None, place),
                (None, Others::Refused) => {
                    let accepted = node.map(Node::names).unwrap_or_default();
                    let what = format!("is not a field of this type, which has {accepted} here");
                    self.refuse(value, place, what, accepted);
                }
            }
        }
    }

    fn field(&mut self, node: &Node, value: &Value, place: Option<&Place<'_>>) {
        match (node.field.map(|index| &self.fields[index].value), value) {
            (_, Value::Null) => {}
            (Some(schema), value) => self.value(schema, value, Some(node), place),
            (None, Value::Map(map)) => self.map(map, Some(node), self.undeclared(), place),
            (None, other) => self.refuse(other, place, "accepts a map", ""),
        }
    }

    fn value(
        &mut self,
        schema: &ValueSchema,
        value: &Value,
        node: Option<&Node>,
        place: Option<&Place<'_>>,
    ) {
        match (schema, value) {
            (ValueSchema::Any, Value::Map(map)) if node.is_some() => {
                self.map(map, node, Others::Anything, place);
            }
            (ValueSchema::Any, _) | (ValueSchema::Bool, Value::Bool(_)) => {}
            (ValueSchema::Int { min, max }, Value::Int(number)) => {
                let (min, max) = (min.unwrap_or(-INT_ABS_MAX), max.unwrap_or(INT_ABS_MAX));
                self.range(value, place, *number, min, max);
            }
            (ValueSchema::Float { min, max }, Value::Int(_) | Value::Float(_)) => {
                let bound = INT_ABS_MAX as f64;
                let (min, max) = (min.unwrap_or(-bound), max.unwrap_or(bound));
                self.range(value, place, value.as_f64().unwrap_or_default(), min, max);
            }
            (ValueSchema::Text { bytes_max, one_of }, Value::Text(text)) => {
                if !one_of.is_empty() && !one_of.iter().any(|choice| **choice == **text) {
                    let choices = one_of.join(", ");
                    self.refuse(value, place, format_args!("accepts one of {choices}"), &choices);
                } else if let Some(max) = bytes_max.filter(|max| text.len() > *max as usize) {
                    let found = text.len();
                    let what = format_args!("accepts {max} bytes, found {found}");
                    self.refuse(value, place, what, max);
                }
            }
            (ValueSchema::Timestamp, Value::Text(text)) if parse_timestamp(text).is_some() => {}
            (ValueSchema::List { of, length_max }, Value::List(items)) => {
                self.length(value, place, items.len(), *length_max);
                let Some(of) = of else { return };
                for (index, item) in items.iter().enumerate() {
                    let place = Place { name: Name::Item(index), within: place };
                    self.value(of, item, None, Some(&place));
                }
            }
            (ValueSchema::Map { of, length_max }, Value::Map(map)) => {
                self.length(value, place, map.len(), *length_max);
                let others = of.as_deref().map_or(Others::Anything, Others::Of);
                // Most maps of a player hold whatever the game likes: nothing to look at then.
                if of.is_some() || node.is_some_and(|node| !node.children.is_empty()) {
                    self.map(map, node, others, place);
                }
            }
            (schema, value) => {
                let accepted = accepted(schema);
                let found = value.kind();
                let what = format_args!("accepts {accepted}, found {found}");
                self.refuse(value, place, what, accepted);
            }
        }
    }

    fn range<T: PartialOrd + fmt::Display + Copy>(
        &mut self,
        value: &Value,
        place: Option<&Place<'_>>,
        number: T,
        min: T,
        max: T,
    ) {
        if number < min || number > max {
            let bound = if number < min { &min } else { &max };
            self.refuse(value, place, format_args!("accepts {min} to {max}"), bound);
        }
    }

    fn length(
        &mut self,
        value: &Value,
        place: Option<&Place<'_>>,
        length: usize,
        length_max: Option<u32>,
    ) {
        if let Some(max) = length_max.filter(|max| length > *max as usize) {
            let what = format_args!("accepts at most {max}, found {length}");
            self.refuse(value, place, what, max);
        }
    }

    fn refuse(
        &mut self,
        value: &Value,
        place: Option<&Place<'_>>,
        what: impl fmt::Display,
        bound: impl fmt::Display,
    ) {
        if self.violations.len() == VIOLATIONS_MAX {
            self.more += 1;
            return;
        }
        let inside_out = std::iter::successors(place, |place| place.within);
        let names: Vec<_> = inside_out.map(|place| place.name.to_string()).collect();
        let field = FieldPath::print(names.iter().rev().map(String::as_str));
        self.refuse_field(field, value, what.to_string(), bound);
    }

    fn refuse_field(
        &mut self,
        field: String,
        value: impl fmt::Display,
        what: String,
        bound: impl fmt::Display,
    ) {
        let (value, bound) = (value.to_string(), bound.to_string());
        self.violations.push(Violation { field, value, what, bound });
    }

    fn finish(self) -> Result<()> {
        let Some(first) = self.violations.first() else {
            return Ok(());
        };
        let more = self.violations.len() - 1 + self.more;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let Violation { field, value, what, bound } = first;
        let error = Error::new(Code::SchemaViolation, format!("{field}: {what}{more}"))
            .with_fact("field", field)
            .with_fact("value", value)
            .with_fact("bound", bound);
        let name =
            |error: Error, violation: Violation| error.with_field(violation.field, violation.what);
        Err(self.violations.into_iter().fold(error, name))
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(name) => f.write_str(name),
            Self::Item(index) => write!(f, "{index}"),
        }
    }
}

const fn accepted(schema: &ValueSchema) -> &'static str {
    match schema {
        ValueSchema::Bool => "true or false",
        ValueSchema::Int { .. } => "a whole number",
        ValueSchema::Float { .. } => "a number",
        ValueSchema::Text { .. } => "text",
        ValueSchema::Timestamp => "an instant as RFC 3339 text, such as 2026-11-21T06:44:52Z",
        ValueSchema::List { .. } => "a list",
        ValueSchema::Map { .. } => "a map",
        ValueSchema::Any => "anything",
    }
}
