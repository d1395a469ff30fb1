//! From what a caller wants to what happens.

use super::{Aggregate, Allowance, Change, Operation, Rates, Schema, Value};
use super::{check_limits, check_operations, merge_patch};
use crate::{Code, Error, Result};

/// The kind of a caller's own event, in bytes.
pub const EVENT_KIND_BYTES_MAX: usize = 128;

/// What a caller wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Refused if the aggregate exists.
    Create {
        state: Value,
    },
    /// A merge patch (RFC 7396).
    Merge {
        patch: Value,
        create_missing: bool,
    },
    Operate {
        operations: Vec<Operation>,
        create_missing: bool,
    },
    Replace {
        state: Value,
        create_missing: bool,
    },
    Delete,
    /// Back to the state that the aggregate had at a version: none if it did not exist then.
    RollBack {
        to_version: u64,
        state: Option<Value>,
    },
    /// An event of the caller's own. The aggregate need not exist.
    Note {
        kind: String,
        data: Value,
    },
}

/// What must hold for a command to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expectation {
    #[default]
    Any,
    /// The aggregate has this version; 0 is as `MustNotExist`.
    Version(u64),
    MustExist,
    /// It never existed, or was deleted.
    MustNotExist,
    /// Nothing ever happened to it.
    NoEvents,
}

/// What happens, and what comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub change: Change,
    /// What it leaves of the allowances that it uses.
    pub allowances: Vec<Allowance>,
    pub after: Aggregate,
}

impl Expectation {
    /// Whether an aggregate must be absent for it to hold.
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::Version(0) | Self::MustNotExist | Self::NoEvents)
    }

    /// Refuses with `VERSION_CONFLICT`, or with what is missing or in the way.
    pub fn check(self, aggregate: &Aggregate) -> Result<()> {
        let (exists, version) = (aggregate.exists(), aggregate.version);
        match self {
            Self::Version(0) if exists => Err(conflict(0, version)),
            Self::Version(expected) if expected != 0 && expected != version => {
                Err(conflict(expected, version))
            }
            Self::MustExist if !exists => Err(not_found(version)),
            Self::MustNotExist if exists => Err(already_exists(version)),
            Self::NoEvents if version != 0 => Err(has_events(version)),
            _ => Ok(()),
        }
    }
}

/// Decides `command` upon `aggregate`: the change to store and the aggregate after it, or a refusal.
/// Conserved sums are left to [`super::check_conserved`], which needs all parts of a transaction.
pub fn decide(
    schema: &Schema,
    aggregate: &Aggregate,
    command: Command,
    now_us: i64,
) -> Result<Decision> {
    let exists = aggregate.exists();
    let (change, after) = match command {
        Command::Create { .. } if exists => return Err(already_exists(aggregate.version)),
        Command::Create { state } => (None, map("state", state)?),
        Command::Replace { state, create_missing } => {
            require(aggregate, create_missing)?;
            let mut state = map("state", state)?;
            schema.fill_defaults(&mut state);
            (exists.then(|| Change::Replaced(state.clone())), state)
        }
        Command::Merge { patch, create_missing } => {
            require(aggregate, create_missing)?;
            let mut patch = map("mergePatch", patch)?;
            check_limits(&patch)?;
            let mut after = present_or_empty(aggregate);
            merge_patch(&mut after, patch.clone());
            for missing in schema.missing(&aggregate.state, &after) {
                missing.apply(&mut patch)?;
                missing.apply(&mut after)?;
            }
            (Some(Change::Merged(patch)), after)
        }
        Command::Operate { mut operations, create_missing } => {
            require(aggregate, create_missing)?;
            check_operations(&operations)?;
            let mut after = present_or_empty(aggregate);
            operations.iter().try_for_each(|operation| operation.apply(&mut after))?;
            for missing in schema.missing(&aggregate.state, &after) {
                missing.apply(&mut after)?;
                operations.push(missing);
            }
            (Some(Change::Operated(operations)), after)
        }
        Command::Delete => {
            require(aggregate, false)?;
            return Ok(decided(aggregate, Change::Deleted, Vec::new(), Value::Null, now_us));
        }
        Command::RollBack { to_version, state } => {
            let state = roll_back(schema, aggregate, to_version, state)?;
            let change = Change::RolledBack { to_version, state: state.clone() };
            let state = state.unwrap_or_default();
            return Ok(decided(aggregate, change, Vec::new(), state, now_us));
        }
        Command::Note { kind, data } => {
            check_kind(&kind)?;
            check_limits(&data)?;
            let change = Change::Noted { kind: kind.into(), data };
            let state = aggregate.state.clone();
            return Ok(decided(aggregate, change, Vec::new(), state, now_us));
        }
    };
    let (change, after) = match change {
        Some(change) if exists => (change, after),
        _ => created(schema, after),
    };
    check_limits(&after)?;
    let (allowances, since_us) = (&*aggregate.allowances, aggregate.created_at_us);
    let rates = Rates { allowances, since_us, now_us };
    let allowances = schema.check(&aggregate.state, &after, &rates)?;
    Ok(decided(aggregate, change, allowances, after, now_us))
}

/// Whatever brings an aggregate into being is stored as its whole first state, with the defaults of
/// that time: they may be declared otherwise later.
fn created(schema: &Schema, mut state: Value) -> (Change, Value) {
    schema.fill_defaults(&mut state);
    (Change::Created(state.clone()), state)
}

/// A state that was valid once need not obey the rules of change, but those of today about states.
fn roll_back(
    schema: &Schema,
    aggregate: &Aggregate,
    to_version: u64,
    state: Option<Value>,
) -> Result<Option<Value>> {
    let version = aggregate.version;
    if to_version > version {
        let what = format!("version {to_version} lies in the future: accepts 0 to {version}");
        return Err(Error::new(Code::OutOfHistory, &*what)
            .with_field("toVersion", what)
            .with_fact("actualVersion", version));
    }
    let Some(state) = state else { return Ok(None) };
    let state = map("state", state)?;
    check_limits(&state)?;
    schema.check_state(&aggregate.state, &state)?;
    Ok(Some(state))
}

fn decided(
    aggregate: &Aggregate,
    change: Change,
    allowances: Vec<Allowance>,
    state: Value,
    now_us: i64,
) -> Decision {
    let born = matches!(change, Change::Created(_));
    let born = born || (aggregate.created_at_us == 0 && !state.is_null());
    let mut after = Aggregate {
        state,
        version: aggregate.version + 1,
        created_at_us: if born { now_us } else { aggregate.created_at_us },
        updated_at_us: now_us,
        allowances: aggregate.allowances.clone(),
    };
    after.take_allowances(allowances.iter().copied());
    Decision { change, allowances, after }
}

fn present_or_empty(aggregate: &Aggregate) -> Value {
    aggregate.present().cloned().unwrap_or(Value::empty_map())
}

fn require(aggregate: &Aggregate, create_missing: bool) -> Result<()> {
    if aggregate.exists() || create_missing { Ok(()) } else { Err(not_found(aggregate.version)) }
}

fn map(field: &str, value: Value) -> Result<Value> {
    match value {
        Value::Map(_) => Ok(value),
        other => Err(Error::invalid(field, format!("accepts a map, found {}", other.kind()))),
    }
}

fn check_kind(kind: &str) -> Result<()> {
    let reserved = Change::KINDS.contains(&kind);
    let valid = (1..=EVENT_KIND_BYTES_MAX).contains(&kind.len())
        && !kind.chars().any(char::is_control)
        && kind.trim().len() == kind.len();
    if valid && !reserved {
        return Ok(());
    }
    let reserved = Change::KINDS.join(", ");
    let what = format!(
        "accepts 1 to {EVENT_KIND_BYTES_MAX} bytes of UTF-8 without control characters and without \
         spaces at its ends, and none of {reserved}"
    );
    Err(Error::invalid("kind", what))
}

fn conflict(expected: u64, actual: u64) -> Error {
    let what = match expected {
        0 => format!("the aggregate exists, at version {actual}, but must not"),
        _ => format!("the aggregate is at version {actual}, expected {expected}"),
    };
    Error::new(Code::VersionConflict, what)
        .with_fact("expectedVersion", expected)
        .with_fact("actualVersion", actual)
}

fn has_events(actual: u64) -> Error {
    let what = format!("the aggregate has a history of {actual} events, expected none");
    Error::new(Code::VersionConflict, what)
        .with_fact("expectedVersion", 0)
        .with_fact("actualVersion", actual)
}

fn already_exists(version: u64) -> Error {
    Error::new(Code::AlreadyExists, format!("the aggregate exists already, at version {version}"))
        .with_fact("actualVersion", version)
}

pub(super) fn not_found(version: u64) -> Error {
    let what = match version {
        0 => "the aggregate does not exist".to_owned(),
        _ => format!("the aggregate does not exist any more: its last version is {version}"),
    };
    Error::new(Code::NotFound, what).with_fact("actualVersion", version)
}

#[cfg(test)]
mod tests;
