//! What a client of the model test does: as a request of the contract, and as commands of the domain.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{Command, Expectation, Increment, Number, Operation};
use pb::operation::Kind;
use pb::transaction_part::Action;
use pb::update_aggregate_request::Change as Wanted;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::it::documents::{document, message, value};

/// Type and id of an aggregate.
pub(super) type Place = (&'static str, String);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Idempotency key; empty for none.
    pub(super) key: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Create { at: Place, state: Json },
    Update { at: Place, change: Change, when: When, create_missing: bool },
    Delete { at: Place, when: When },
    RollBack { at: Place, to: i64, when: When },
    Append { at: Place, notes: Vec<Note>, when: When },
    Transact { parts: Vec<Act> },
    PutPlayer { id: String, status: &'static str, gold: i32, when: When },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Merge(Json),
    Replace(Json),
    Operate(Vec<Op>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Note {
    pub(super) id: Option<Uuid>,
    pub(super) kind: String,
    pub(super) data: Json,
}

/// One aggregate's part of a transaction; `None` only checks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Act {
    pub(super) at: Place,
    pub(super) expected: Option<i64>,
    pub(super) action: Option<ActKind>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ActKind {
    Create(Json),
    Change(Change),
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    Any,
    Exact(i64),
    MustExist,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    Set(&'static str, Json),
    Maximum(&'static str, Json),
    Minimum(&'static str, Json),
    Increment { path: &'static str, by: f64, min: Option<f64>, max: Option<f64>, clamp: bool },
    Append(&'static str, Vec<Json>, i32),
    AddToSet(&'static str, Vec<Json>),
    RemoveFromSet(&'static str, Vec<Json>),
    Remove(&'static str),
}

impl When {
    pub(super) fn version(self) -> Option<i64> {
        match self {
            Self::Exact(version) => Some(version),
            Self::Any | Self::MustExist => None,
        }
    }

    pub(super) fn must_exist(self) -> bool {
        self == Self::MustExist
    }

    pub(super) fn expectation(self) -> Expectation {
        match self {
            Self::Any => Expectation::Any,
            Self::MustExist => Expectation::MustExist,
            Self::Exact(version) => Expectation::Version(version as u64),
        }
    }
}

impl Change {
    pub(super) fn wanted(&self) -> Wanted {
        match self {
            Self::Merge(patch) => Wanted::MergePatch(document(patch)),
            Self::Replace(state) => Wanted::Replace(document(state)),
            Self::Operate(ops) => Wanted::Operations(operations(ops)),
        }
    }

    pub(super) fn action(&self) -> Action {
        match self {
            Self::Merge(patch) => Action::MergePatch(document(patch)),
            Self::Replace(state) => Action::Replace(document(state)),
            Self::Operate(ops) => Action::Operations(operations(ops)),
        }
    }

    pub(super) fn command(&self, create_missing: bool) -> Command {
        match self {
            Self::Merge(patch) => Command::Merge { patch: value(patch), create_missing },
            Self::Replace(state) => Command::Replace { state: value(state), create_missing },
            Self::Operate(ops) => Command::Operate {
                operations: ops.iter().map(Op::domain).collect(),
                create_missing,
            },
        }
    }
}

fn operations(ops: &[Op]) -> pb::Operations {
    pb::Operations { operations: ops.iter().map(Op::request).collect() }
}

impl Op {
    fn request(&self) -> pb::Operation {
        let set = |path: &str, value: &Json| pb::SetOperation {
            path: path.to_owned(),
            value: Some(message(value)),
        };
        let members = |path: &str, values: &[Json]| pb::SetMembersOperation {
            path: path.to_owned(),
            values: values.iter().map(message).collect(),
        };
        let kind = match self {
            Self::Set(path, value) => Kind::Set(set(path, value)),
            Self::Maximum(path, value) => Kind::Maximum(set(path, value)),
            Self::Minimum(path, value) => Kind::Minimum(set(path, value)),
            Self::Increment { path, by, min, max, clamp } => {
                Kind::Increment(pb::IncrementOperation {
                    path: (*path).to_owned(),
                    by: *by,
                    min: *min,
                    max: *max,
                    clamp: *clamp,
                })
            }
            Self::Append(path, values, length_max) => Kind::Append(pb::AppendOperation {
                path: (*path).to_owned(),
                values: values.iter().map(message).collect(),
                length_max: *length_max,
            }),
            Self::AddToSet(path, values) => Kind::AddToSet(members(path, values)),
            Self::RemoveFromSet(path, values) => Kind::RemoveFromSet(members(path, values)),
            Self::Remove(path) => Kind::Remove(pb::RemoveOperation { path: (*path).to_owned() }),
        };
        pb::Operation { kind: Some(kind) }
    }

    fn domain(&self) -> Operation {
        let path = |path: &str| path.parse().unwrap();
        let values = |values: &[Json]| values.iter().map(value).collect();
        let number = |number: f64| Number::new(number).unwrap();
        match self {
            Self::Set(at, new) => Operation::Set { path: path(at), value: value(new) },
            Self::Maximum(at, new) => Operation::Maximum { path: path(at), value: value(new) },
            Self::Minimum(at, new) => Operation::Minimum { path: path(at), value: value(new) },
            Self::Increment { path: at, by, min, max, clamp } => Operation::Increment(Increment {
                path: path(at),
                by: number(*by),
                min: min.map(number),
                max: max.map(number),
                clamp: *clamp,
            }),
            Self::Append(at, items, length_max) => Operation::Append {
                path: path(at),
                values: values(items),
                length_max: (*length_max > 0).then_some(*length_max as u32),
            },
            Self::AddToSet(at, items) => {
                Operation::AddToSet { path: path(at), values: values(items) }
            }
            Self::RemoveFromSet(at, items) => {
                Operation::RemoveFromSet { path: path(at), values: values(items) }
            }
            Self::Remove(at) => Operation::Remove { path: path(at) },
        }
    }
}
