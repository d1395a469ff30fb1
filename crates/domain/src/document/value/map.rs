//! A map as two sorted lists, of names and of values: states have few names per level, and a search
//! in one block of memory beats a tree there; with thousands of names an insertion moves some hundred
//! kilobytes at worst.
//!
//! Both are shared by the clones of a map until one of them changes: the states before and after a
//! change differ in one list of values for each level on the way to the field, and the names of a
//! level are shared by all versions that have the same.

use std::sync::Arc;
use std::vec;

use super::Value;
use super::names::Names;

/// Named values, in ascending order of the name (by bytes), each name once. Clones cost nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Map {
    /// Absent if and only if the map is empty.
    content: Option<Arc<Content>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Content {
    names: Arc<Names>,
    /// One for each name.
    values: Vec<Value>,
}

impl Map {
    pub const fn new() -> Self {
        Self { content: None }
    }

    /// In any order; of equal names the last stays. Costs one pass if they are in order already.
    pub fn from_entries<N: AsRef<str>>(mut entries: Vec<(N, Value)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0.as_ref() < b.0.as_ref()) {
            entries.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
            entries.reverse();
            entries.dedup_by(|a, b| a.0.as_ref() == b.0.as_ref());
            entries.reverse();
        }
        let names = Arc::new(entries.iter().map(|(name, _)| name).collect());
        Self::of(names, entries.into_iter().map(|(_, value)| value).collect())
    }

    fn of(names: Arc<Names>, values: Vec<Value>) -> Self {
        let content = (!values.is_empty()).then(|| Arc::new(Content { names, values }));
        Self { content }
    }

    pub fn len(&self) -> usize {
        self.values().len()
    }

    pub const fn is_empty(&self) -> bool {
        self.content.is_none()
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        let content = self.content.as_deref()?;
        content.names.search(name).ok().map(|at| &content.values[at])
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position(name).map(|at| self.at_mut(at))
    }

    /// Where `name` stands, for [`Map::at_mut`].
    pub(in crate::document) fn position(&self, name: &str) -> Option<usize> {
        self.content.as_deref()?.names.search(name).ok()
    }

    pub(in crate::document) fn at_mut(&mut self, position: usize) -> &mut Value {
        &mut self.content_mut().values[position]
    }

    /// The values that both have of a name. Where they share their names, one search finds them.
    pub(in crate::document) fn pair<'a>(
        &'a self,
        other: &'a Self,
        name: &str,
    ) -> (Option<&'a Value>, Option<&'a Value>) {
        match (self.content.as_deref(), other.content.as_deref()) {
            (Some(one), Some(other)) if Arc::ptr_eq(&one.names, &other.names) => {
                let at = one.names.search(name).ok();
                (at.map(|at| &one.values[at]), at.map(|at| &other.values[at]))
            }
            _ => (self.get(name), other.get(name)),
        }
    }

    /// The names whose values are not plainly the same in both; `None` if their names are not.
    pub(in crate::document) fn touched<'a>(&'a self, other: &Self) -> Option<Vec<&'a str>> {
        let (one, other) = (self.content.as_deref()?, other.content.as_deref()?);
        let share_names = Arc::ptr_eq(&one.names, &other.names);
        let values = one.values.iter().zip(&other.values).enumerate();
        let differ = values.filter(|(_, (one, other))| !one.is_plainly(other));
        share_names.then(|| differ.map(|(at, _)| one.names.get(at)).collect())
    }

    /// Whether both are clones of one map, neither changed since.
    pub(in crate::document) fn is_shared(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Answers what was there.
    pub fn insert(&mut self, name: impl AsRef<str>, value: Value) -> Option<Value> {
        let content = self.content_mut();
        match content.names.search(name.as_ref()) {
            Ok(at) => Some(std::mem::replace(&mut content.values[at], value)),
            Err(at) => {
                Arc::make_mut(&mut content.names).insert(at, name.as_ref());
                content.values.insert(at, value);
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.position(name)?;
        let content = self.content_mut();
        Arc::make_mut(&mut content.names).remove(at);
        let removed = content.values.remove(at);
        if content.values.is_empty() {
            self.content = None;
        }
        Some(removed)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.names().zip(self.values())
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        let names = self.content.as_deref().map(|content| &*content.names);
        (0..self.len()).map(move |at| names.map_or("", |names| names.get(at)))
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        let entries = std::mem::take(self).into_iter();
        *self = entries.filter_map(|(n, mut v)| keep(&n, &mut v).then_some((n, v))).collect();
    }

    /// As if nothing were shared.
    pub(super) fn heap_bytes(&self) -> usize {
        self.content.as_deref().map_or(0, |Content { names, values }| {
            size_of::<Content>()
                + names.size_bytes()
                + values.capacity() * size_of::<Value>()
                + values.iter().map(Value::heap_bytes).sum::<usize>()
        })
    }

    fn values(&self) -> &[Value] {
        self.content.as_deref().map_or(&[], |content| &content.values)
    }

    /// The caller leaves a value in it.
    fn content_mut(&mut self) -> &mut Content {
        Arc::make_mut(self.content.get_or_insert_default())
    }
}

impl<N: AsRef<str>, V: Into<Value>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self::from_entries(entries.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl<N: AsRef<str>, V: Into<Value>, const LEN: usize> From<[(N, V); LEN]> for Map {
    fn from(entries: [(N, V); LEN]) -> Self {
        entries.into_iter().collect()
    }
}

/// The entries of a map that is not needed any more.
pub struct IntoIter {
    names: Arc<Names>,
    values: std::iter::Enumerate<vec::IntoIter<Value>>,
}

impl IntoIterator for Map {
    type Item = (Box<str>, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let Content { names, values } = self.content.map(Arc::unwrap_or_clone).unwrap_or_default();
        IntoIter { names, values: values.into_iter().enumerate() }
    }
}

impl Iterator for IntoIter {
    type Item = (Box<str>, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.values.next().map(|(at, value)| (self.names.get(at).into(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}
