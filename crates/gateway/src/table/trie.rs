//! One tree over the segments of all templates of a method.
//!
//! At each segment a literal is tried before `*`, and `*` before `**`. The first match in that order wins, so the answer depends on the templates
//! alone and not on their order. A node is visited at most once, whatever the path.

use std::collections::HashMap;

use crate::template::{Path, Segment, Template};

#[derive(Debug, Default)]
pub(super) struct Trie {
    root: Node,
    has_verbs: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    any: Option<Box<Node>>,
    /// Templates that end in `**` here.
    rest: Leaves,
    /// Templates that end here.
    here: Leaves,
}

/// Rows by their verb.
#[derive(Debug, Default)]
struct Leaves(Vec<(Option<String>, usize)>);

impl Trie {
    /// The row that has the same segments and verb already is the error.
    pub(super) fn insert(&mut self, template: &Template, row: usize) -> Result<(), usize> {
        self.has_verbs |= template.verb.is_some();
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Rest => return node.rest.insert(template.verb.as_deref(), row),
            };
        }
        node.here.insert(template.verb.as_deref(), row)
    }

    /// The row whose verb the path ends in, and the path without it.
    pub(super) fn find_verb<'p>(&self, path: &Path<'p>) -> Option<(usize, Path<'p>)> {
        if !self.has_verbs {
            return None;
        }
        let (bare, verb) = path.without_verb()?;
        Some((self.root.find(&bare, 0, Some(verb))?, bare))
    }

    /// The row without a verb.
    pub(super) fn find_plain<'p>(&self, path: &Path<'p>) -> Option<(usize, Path<'p>)> {
        Some((self.root.find(path, 0, None)?, path.clone()))
    }
}

impl Node {
    fn find(&self, path: &Path<'_>, at: usize, verb: Option<&str>) -> Option<usize> {
        if at == path.len() {
            return self.here.get(verb).or_else(|| self.rest.get(verb));
        }
        if !self.literals.is_empty()
            && let Some(node) = self.literals.get(path.decoded(at).as_ref())
            && let Some(row) = node.find(path, at + 1, verb)
        {
            return Some(row);
        }
        if !path.segment(at).is_empty()
            && let Some(node) = &self.any
            && let Some(row) = node.find(path, at + 1, verb)
        {
            return Some(row);
        }
        self.rest.get(verb)
    }
}

impl Leaves {
    fn insert(&mut self, verb: Option<&str>, row: usize) -> Result<(), usize> {
        if let Some(other) = self.get(verb) {
            return Err(other);
        }
        self.0.push((verb.map(str::to_owned), row));
        Ok(())
    }

    fn get(&self, verb: Option<&str>) -> Option<usize> {
        self.0.iter().find(|(v, _)| v.as_deref() == verb).map(|(_, row)| *row)
    }
}
