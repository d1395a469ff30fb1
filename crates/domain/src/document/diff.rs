//! What differs between two states, and the change that leads from one to the other.

use super::{Change, FieldPath, Map, Value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: FieldPath,
    pub kind: DifferenceKind,
    /// Null if the field was added.
    pub from: Value,
    /// Null if the field was removed.
    pub to: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    Added,
    Removed,
    Changed,
}

/// The innermost fields and items that differ, in the order of the state. A state that does not exist
/// counts as empty. Items of lists are compared by their number.
pub fn diff(from: &Value, to: &Value) -> Vec<Difference> {
    let (empty, mut walk) = (Value::empty_map(), Walk::default());
    let state = |value| if Value::is_null(value) { &empty } else { value };
    walk.visit(state(from), state(to));
    walk.found
}

/// The change after which a state `from` is exactly `to`: a merge patch where that can say it, else the
/// whole state. A patch cannot say that a name has null.
pub fn change_between(from: &Value, to: &Value) -> Change {
    match (from, to) {
        (_, Value::Null) => Change::Deleted,
        (Value::Null, _) => Change::Created(to.clone()),
        _ => match merge_patch_between(from, to) {
            Some(patch) => Change::Merged(patch),
            None => Change::Replaced(to.clone()),
        },
    }
}

/// The merge patch that leads from one map to another; `None` if there is none.
pub fn merge_patch_between(from: &Value, to: &Value) -> Option<Value> {
    let (from, to) = (from.as_map()?, to.as_map()?);
    let removed = from.names().filter(|name| !to.contains(name));
    let mut patch: Vec<(Box<str>, Value)> =
        removed.map(|name| (name.into(), Value::Null)).collect();
    for (name, value) in to.iter() {
        let part = match from.get(name) {
            Some(present) if present == value => continue,
            Some(present @ Value::Map(_)) if value.as_map().is_some() => {
                merge_patch_between(present, value)?
            }
            _ if holds_null(value) => return None,
            _ => value.clone(),
        };
        patch.push((name.into(), part));
    }
    Some(Map::from_entries(patch).into())
}

/// Whether a patch would drop a part of `value`. Lists are taken whole, with their nulls.
fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(map) => map.iter().any(|(_, value)| holds_null(value)),
        _ => false,
    }
}

#[derive(Default)]
struct Walk {
    names: Vec<String>,
    found: Vec<Difference>,
}

impl Walk {
    fn visit(&mut self, from: &Value, to: &Value) {
        match (from, to) {
            (Value::Map(from), Value::Map(to)) => {
                let (mut before, mut after) = (from.iter().peekable(), to.iter().peekable());
                loop {
                    // Both are in order of the name: the lesser one comes next.
                    let name = match (before.peek(), after.peek()) {
                        (Some((a, _)), Some((b, _))) => std::cmp::min(*a, *b),
                        (Some((name, _)), None) | (None, Some((name, _))) => *name,
                        (None, None) => break,
                    };
                    let from = before.next_if(|(other, _)| *other == name).map(|(_, value)| value);
                    let to = after.next_if(|(other, _)| *other == name).map(|(_, value)| value);
                    self.below(name, from, to);
                }
            }
            (Value::List(from), Value::List(to)) => {
                for index in 0..from.len().max(to.len()) {
                    self.below(&index.to_string(), from.get(index), to.get(index));
                }
            }
            (from, to) if from != to => self.found(DifferenceKind::Changed, from, to),
            _ => {}
        }
    }

    fn below(&mut self, name: &str, from: Option<&Value>, to: Option<&Value>) {
        if from == to {
            return;
        }
        self.names.push(name.to_owned());
        match (from, to) {
            (Some(from), Some(to)) => self.visit(from, to),
            (None, Some(to)) => self.found(DifferenceKind::Added, &Value::Null, to),
            (Some(from), None) => self.found(DifferenceKind::Removed, from, &Value::Null),
            (None, None) => {}
        }
        self.names.pop();
    }

    fn found(&mut self, kind: DifferenceKind, from: &Value, to: &Value) {
        // Every field of a state within its limits has a path.
        if let Ok(path) = FieldPath::from_names(self.names.iter().map(String::as_str)) {
            self.found.push(Difference { path, kind, from: from.clone(), to: to.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
