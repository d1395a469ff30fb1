//! A map as a sorted vector: states have few names per level, and a search in one block of memory
//! beats a tree there; with thousands of names an insertion moves some hundred kilobytes at worst.

use std::vec;

use super::Value;

/// Named values, in ascending order of the name (by bytes), each name once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Map {
    entries: Vec<(Box<str>, Value)>,
}

impl Map {
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// In any order; of equal names the last stays. Costs one pass if they are in order already.
    pub fn from_entries(mut entries: Vec<(Box<str>, Value)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries.reverse();
        }
        Self { entries }
    }

    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.search(name).ok().map(|at| &self.entries[at].1)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.search(name).ok().map(|at| &mut self.entries[at].1)
    }

    /// Where `name` stands, for [`Map::at_mut`].
    pub(in crate::state) fn position(&self, name: &str) -> Option<usize> {
        self.search(name).ok()
    }

    pub(in crate::state) fn at_mut(&mut self, position: usize) -> &mut Value {
        &mut self.entries[position].1
    }

    pub fn contains(&self, name: &str) -> bool {
        self.search(name).is_ok()
    }

    /// Answers what was there.
    pub fn insert(
        &mut self,
        name: impl Into<Box<str>> + AsRef<str>,
        value: Value,
    ) -> Option<Value> {
        match self.search(name.as_ref()) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (name.into(), value));
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.search(name).ok().map(|at| self.entries.remove(at).1)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.entries.retain_mut(|(name, value)| keep(name, value));
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let inside = |(name, value): &(Box<str>, Value)| name.len() + value.heap_bytes();
        self.entries.capacity() * size_of::<(Box<str>, Value)>()
            + self.entries.iter().map(inside).sum::<usize>()
    }

    fn search(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(entry, _)| (**entry).cmp(name))
    }
}

impl<N: Into<Box<str>>, V: Into<Value>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self::from_entries(entries.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl<N: Into<Box<str>>, V: Into<Value>, const LEN: usize> From<[(N, V); LEN]> for Map {
    fn from(entries: [(N, V); LEN]) -> Self {
        entries.into_iter().collect()
    }
}

impl IntoIterator for Map {
    type Item = (Box<str>, Value);
    type IntoIter = vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
