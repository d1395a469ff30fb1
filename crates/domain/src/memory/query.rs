//! Which memories a question is about, before any of them is scored.

use super::{Kind, Memory, Name};
use crate::document::{Facts, Filter};

/// A time from, inclusive, and until, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub from_us: Option<i64>,
    pub until_us: Option<i64>,
}

impl Span {
    pub fn contains(&self, time_us: i64) -> bool {
        self.from_us.is_none_or(|from| from <= time_us)
            && self.until_us.is_none_or(|until| time_us < until)
    }
}

/// What a memory must be to be a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Criteria {
    /// Any of these; empty for all.
    pub kinds: Vec<Kind>,
    /// About any of these; empty for all.
    pub subjects: Vec<Name>,
    /// When it happened.
    pub created: Span,
    /// Valid at this time; `None`: whatever its validity.
    pub valid_at_us: Option<i64>,
    pub filter: Filter,
    /// Forgotten ones, too.
    pub with_forgotten: bool,
}

impl Criteria {
    /// Everything that is remembered.
    pub const fn all() -> Self {
        Self {
            kinds: Vec::new(),
            subjects: Vec::new(),
            created: Span { from_us: None, until_us: None },
            valid_at_us: None,
            filter: Filter::all(),
            with_forgotten: false,
        }
    }

    pub fn matches(&self, memory: &Memory) -> bool {
        (self.with_forgotten || memory.forgotten.is_none())
            && (self.kinds.is_empty() || self.kinds.contains(&memory.kind))
            && (self.subjects.is_empty()
                || memory.subjects.iter().any(|subject| self.subjects.contains(subject)))
            && self.created.contains(memory.created_us)
            && self.valid_at_us.is_none_or(|time_us| memory.is_valid_at(time_us))
            && (self.filter.is_empty() || self.filter_matches(memory))
    }

    fn filter_matches(&self, memory: &Memory) -> bool {
        let state = memory.filtered_value();
        self.filter.matches(&Facts {
            type_name: "memory",
            id: "",
            version: memory.version,
            updated_at_us: memory.stored_us,
            state: &state,
            event: None,
        })
    }
}
