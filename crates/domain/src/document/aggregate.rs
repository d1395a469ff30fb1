//! An aggregate and the changes that make it what it is.

use super::{Allowance, Operation, Value, merge_patch};
use crate::{Code, Error, Result};

/// A document with a history. [`Aggregate::default`] is the one that never was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// A map; null while the aggregate does not exist.
    pub state: Value,
    /// Number of changes so far.
    pub version: u64,
    /// When it was created the last time, microseconds since the Unix epoch; 0 if never.
    pub created_at_us: i64,
    /// When it last changed, microseconds since the Unix epoch.
    pub updated_at_us: i64,
    /// What the rules about rates have left, for fields that have changed under such a rule.
    pub allowances: Vec<Allowance>,
}

/// What happened to an aggregate: the content of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It came to be, with this state.
    Created(Value),
    /// A merge patch was applied.
    Merged(Value),
    /// Operations were applied, in order.
    Operated(Vec<Operation>),
    /// The state was replaced.
    Replaced(Value),
    /// It was deleted. Its history stays, and it can be created again.
    Deleted,
    /// The state was taken back to that of an earlier version; none if it did not exist then.
    RolledBack { to_version: u64, state: Option<Value> },
    /// An event of the caller's own, which leaves the state as it is.
    Noted { kind: Box<str>, data: Value },
}

impl Change {
    /// Names that a caller's own events cannot have.
    pub const KINDS: [&str; 6] =
        ["created", "merged", "operated", "replaced", "deleted", "rolled_back"];

    /// What happened, in one word: one of [`Change::KINDS`], or that of the caller's own event.
    pub fn kind(&self) -> &str {
        match self {
            Self::Created(_) => "created",
            Self::Merged(_) => "merged",
            Self::Operated(_) => "operated",
            Self::Replaced(_) => "replaced",
            Self::Deleted => "deleted",
            Self::RolledBack { .. } => "rolled_back",
            Self::Noted { kind, .. } => kind,
        }
    }
}

impl Aggregate {
    pub const fn exists(&self) -> bool {
        !self.state.is_null()
    }

    /// It existed and does not any more.
    pub const fn is_deleted(&self) -> bool {
        !self.exists() && self.created_at_us != 0
    }

    /// The state, if it exists.
    pub fn present(&self) -> Option<&Value> {
        self.exists().then_some(&self.state)
    }

    /// Applies the next change of the history. A change that cannot follow is `DATA_CORRUPTED`, because
    /// only what was decided is stored; the aggregate is worthless then.
    pub fn evolve(&mut self, change: Change, time_us: i64) -> Result<()> {
        match change {
            Change::Created(state) if !self.exists() && state.as_map().is_some() => {
                self.state = state;
                self.created_at_us = time_us;
            }
            Change::Merged(patch) if self.exists() && patch.as_map().is_some() => {
                merge_patch(&mut self.state, patch);
            }
            Change::Operated(operations) if self.exists() => {
                for operation in operations {
                    operation
                        .apply_owned(&mut self.state)
                        .map_err(|error| self.corrupted("operated", &error.message))?;
                }
            }
            Change::Replaced(state) if self.exists() && state.as_map().is_some() => {
                self.state = state;
            }
            Change::Deleted if self.exists() => self.state = Value::Null,
            Change::RolledBack { to_version, state }
                if to_version <= self.version
                    && state.as_ref().is_none_or(|state| state.as_map().is_some()) =>
            {
                self.state = state.unwrap_or_default();
                if self.exists() && self.created_at_us == 0 {
                    self.created_at_us = time_us;
                }
            }
            Change::Noted { .. } => {}
            change => return Err(self.corrupted(change.kind(), "it cannot follow")),
        }
        self.version += 1;
        self.updated_at_us = time_us;
        Ok(())
    }

    /// Takes what a change left of the allowances that it used.
    pub fn take_allowances(&mut self, left: impl IntoIterator<Item = Allowance>) {
        for allowance in left {
            match self.allowances.iter_mut().find(|known| known.rule == allowance.rule) {
                Some(known) => *known = allowance,
                None => self.allowances.push(allowance),
            }
        }
    }

    /// An estimate of the memory that this aggregate holds.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.state.heap_bytes() + self.allowances.len() * size_of::<Allowance>()
    }

    fn corrupted(&self, kind: &str, why: &str) -> Error {
        let (next, presence) =
            (self.version + 1, if self.exists() { "exists" } else { "is absent" });
        Error::new(Code::DataCorrupted, "a stored event cannot be applied").with_context(format!(
            "event `{kind}` with version {next} of an aggregate that {presence}: {why}"
        ))
    }
}

#[cfg(test)]
mod tests;
