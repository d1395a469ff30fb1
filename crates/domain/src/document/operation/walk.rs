//! The way to a field, without touching anything until the operation is certain to succeed.

use std::borrow::Cow;
use std::sync::Arc;

use super::refuse_kind;
use crate::document::path::{Segments, index};
use crate::document::{FieldPath, Map, Value};
use crate::{Code, Error, Result};

/// Where a path leads.
pub(super) enum Place<'a, 'p> {
    Found(&'a mut Value),
    /// `parent` is a map that does not have `name`, or null.
    Missing {
        parent: &'a mut Value,
        name: Cow<'p, str>,
        rest: Segments<'p>,
    },
}

impl Place<'_, '_> {
    /// What is there; null counts as nothing.
    pub(super) fn present(&mut self) -> Option<&mut Value> {
        match self {
            Self::Found(value) if !value.is_null() => Some(value),
            _ => None,
        }
    }

    /// Puts `value` there, in maps for the names that are missing on the way.
    pub(super) fn put(self, value: Value) {
        match self {
            Self::Found(place) => *place = value,
            Self::Missing { parent, name, rest } => {
                let below: Vec<_> = rest.collect();
                let value = below
                    .into_iter()
                    .rev()
                    .fold(value, |value, name| Map::from([(name, value)]).into());
                match parent {
                    Value::Map(map) => {
                        map.insert(name, value);
                    }
                    nothing => *nothing = Map::from([(name, value)]).into(),
                }
            }
        }
    }
}

pub(super) fn find<'a, 'p>(root: &'a mut Value, path: &'p FieldPath) -> Result<Place<'a, 'p>> {
    let (mut here, mut rest) = (root, path.segments());
    while let Some(name) = rest.next() {
        let position = here.as_map().and_then(|map| map.position(&name));
        here = match (here, position) {
            (Value::Map(map), Some(position)) => map.at_mut(position),
            (parent @ (Value::Map(_) | Value::Null), _) => {
                return Ok(Place::Missing { parent, name, rest });
            }
            (Value::List(items), _) => {
                let length = items.len();
                index(&name)
                    .filter(|index| *index < length)
                    .and_then(|index| Arc::make_mut(items).get_mut(index))
                    .ok_or_else(|| refuse_item(path, &name, length))?
            }
            (other, _) => {
                return Err(refuse_kind(path, other.kind(), "a map or nothing on the way"));
            }
        };
    }
    Ok(Place::Found(here))
}

/// Removes what `path` leads to, if there is anything.
pub(super) fn remove(root: &mut Value, path: &FieldPath) {
    let (mut here, mut rest) = (root, path.segments().peekable());
    while let Some(name) = rest.next() {
        let last = rest.peek().is_none();
        let next = match here {
            Value::Map(map) if last => {
                map.remove(&name);
                return;
            }
            Value::Map(map) => map.get_mut(&name),
            Value::List(items) => match index(&name).filter(|index| *index < items.len()) {
                Some(index) if last => {
                    Arc::make_mut(items).remove(index);
                    return;
                }
                Some(index) => Arc::make_mut(items).get_mut(index),
                None => return,
            },
            _ => return,
        };
        match next {
            Some(next) => here = next,
            None => return,
        }
    }
}

fn refuse_item(path: &FieldPath, name: &str, length: usize) -> Error {
    let what = match length {
        0 => format!("`{name}` names no item: the list is empty; `append` adds items"),
        _ => format!("`{name}` names no item: accepts 0 to {}; `append` adds items", length - 1),
    };
    Error::new(Code::OperationRefused, format!("{path}: {what}"))
        .with_field(path.as_str(), what)
        .with_fact("field", path)
        .with_fact("bound", length)
}
