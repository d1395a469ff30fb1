//! One aggregate as a sequential object, and histories of it.

use std::sync::Mutex;

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// What was asked, and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    /// `None`: it does not exist.
    Read(Option<Seen>),
    Increment {
        by: i64,
        answer: Option<Seen>,
    },
    /// `Err` is the actual version.
    Swap {
        expected: i64,
        value: i64,
        answer: Result<i64, i64>,
    },
    /// `Err` is the actual version.
    Create {
        value: i64,
        answer: Result<i64, i64>,
    },
    /// `None`: there was nothing to delete.
    Delete {
        answer: Option<i64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) version: i64,
    pub(super) value: i64,
}

/// The state of the sequential object: its version, and its value while it exists.
pub(super) type State = (i64, Option<i64>);

pub(super) struct Register;

impl Specification for Register {
    type State = State;
    type Operation = Operation;

    fn init() -> State {
        (0, None)
    }

    fn apply(operation: &Operation, &(version, value): &State) -> (bool, State) {
        let seen = value.map(|value| Seen { version, value });
        let stays = (version, value);
        let next = version + 1;
        match operation {
            Operation::Read(answer) => (*answer == seen, stays),
            Operation::Increment { by, answer } => match value {
                None => (answer.is_none(), stays),
                Some(value) => {
                    let value = value + by;
                    (*answer == Some(Seen { version: next, value }), (next, Some(value)))
                }
            },
            Operation::Swap { expected, value, answer } if *expected == version => {
                (*answer == Ok(next), (next, Some(*value)))
            }
            Operation::Swap { answer, .. } => (*answer == Err(version), stays),
            Operation::Create { answer, .. } if value.is_some() => (*answer == Err(version), stays),
            Operation::Create { value, answer } => (*answer == Ok(next), (next, Some(*value))),
            Operation::Delete { answer } => match value {
                None => (answer.is_none(), stays),
                Some(_) => (*answer == Some(next), (next, None)),
            },
        }
    }
}

/// Calls and responses of one aggregate, in the order in which they happened.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<(usize, Action<Operation>)>>);

impl Recorder {
    /// Notes the call, makes it, and notes the response. What the call's entry says of the answer is
    /// not looked at.
    pub(super) async fn record(&self, process: usize, call: impl Future<Output = Operation>) {
        self.0.lock().unwrap().push((process, Action::Call(Operation::Read(None))));
        let operation = call.await;
        self.0.lock().unwrap().push((process, Action::Response(operation)));
    }

    pub(super) fn take(self) -> Vec<(usize, Action<Operation>)> {
        self.0.into_inner().unwrap()
    }
}

pub(super) fn is_linearizable(actions: Vec<(usize, Action<Operation>)>) -> bool {
    WGLChecker::<Register>::is_linearizable(History::from_actions(actions))
}

mod tests {
    use super::*;

    fn call(process: usize) -> (usize, Action<Operation>) {
        (process, Action::Call(Operation::Read(None)))
    }

    fn answered(process: usize, operation: Operation) -> (usize, Action<Operation>) {
        (process, Action::Response(operation))
    }

    fn one_after_another(operations: Vec<Operation>) -> Vec<(usize, Action<Operation>)> {
        operations.into_iter().flat_map(|o| [call(0), answered(0, o)]).collect()
    }

    fn created() -> Operation {
        Operation::Create { value: 5, answer: Ok(1) }
    }

    fn incremented(version: i64, value: i64) -> Operation {
        Operation::Increment { by: 1, answer: Some(Seen { version, value }) }
    }

    fn read(version: i64, value: i64) -> Operation {
        Operation::Read(Some(Seen { version, value }))
    }

    #[test]
    fn what_could_have_happened_is_accepted() {
        let deleted = Operation::Delete { answer: Some(3) };
        let conflict = Operation::Swap { expected: 1, value: 0, answer: Err(2) };
        let swapped = Operation::Swap { expected: 3, value: 9, answer: Ok(4) };
        assert!(is_linearizable(one_after_another(vec![
            Operation::Read(None),
            created(),
            incremented(2, 6),
            conflict,
            read(2, 6),
            deleted,
            Operation::Read(None),
            swapped,
            read(4, 9),
        ])));
        // The read overlaps the increment, so it may see the state before or after it.
        for seen in [read(1, 5), read(2, 6)] {
            let overlapping = vec![
                call(0),
                answered(0, created()),
                call(0),
                call(1),
                answered(1, seen),
                answered(0, incremented(2, 6)),
            ];
            assert!(is_linearizable(overlapping));
        }
    }

    #[test]
    fn what_could_not_have_happened_is_refused() {
        let swap = |version| Operation::Swap { expected: 1, value: 9, answer: Ok(version) };
        let impossible: [(&str, Vec<Operation>); 6] = [
            ("a stale read", vec![created(), incremented(2, 6), read(1, 5)]),
            ("a lost update", vec![created(), incremented(2, 6), incremented(2, 6)]),
            ("two winners of one version", vec![created(), swap(2), swap(2)]),
            ("a value from nowhere", vec![created(), read(1, 7)]),
            (
                "a conflict with nobody",
                vec![created(), Operation::Swap { expected: 1, value: 0, answer: Err(2) }],
            ),
            ("a lost creation", vec![created(), Operation::Read(None)]),
        ];
        for (what, operations) in impossible {
            assert!(!is_linearizable(one_after_another(operations)), "{what}");
        }
        // Two readers during one increment: the second began after the first had seen it.
        let backwards = vec![
            call(0),
            answered(0, created()),
            call(0),
            call(1),
            answered(1, read(2, 6)),
            call(2),
            answered(2, read(1, 5)),
            answered(0, incremented(2, 6)),
        ];
        assert!(!is_linearizable(backwards));
    }
}
