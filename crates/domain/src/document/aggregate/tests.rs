use proptest::prelude::*;

use super::*;
use crate::document::{Map, arbitrary};

fn state(value: i32) -> Value {
    Map::from([("a", value)]).into()
}

fn fold(changes: impl IntoIterator<Item = Change>) -> Result<Aggregate> {
    let mut aggregate = Aggregate::default();
    for (index, change) in changes.into_iter().enumerate() {
        aggregate.evolve(change, 100 + index as i64)?;
    }
    Ok(aggregate)
}

fn noted() -> Change {
    Change::Noted { kind: "quest".into(), data: Value::Null }
}

#[test]
fn changes_fold_into_the_state() {
    let set = Operation::Set { path: "b".parse().unwrap(), value: 7.into() };
    let back = |state| Change::RolledBack { to_version: 1, state };
    let both = Value::from(Map::from([("a", 1), ("b", 7)]));
    for (changes, expected, created_at_us, deleted) in [
        (vec![], Value::Null, 0, false),
        (vec![noted()], Value::Null, 0, false),
        (vec![Change::Created(state(1))], state(1), 100, false),
        (vec![Change::Created(state(1)), Change::Merged(state(2))], state(2), 100, false),
        (vec![Change::Created(state(1)), Change::Operated(vec![set])], both, 100, false),
        (
            vec![Change::Created(state(1)), Change::Replaced(state(3)), noted()],
            state(3),
            100,
            false,
        ),
        (vec![Change::Created(state(1)), Change::Deleted], Value::Null, 100, true),
        (
            vec![Change::Created(state(1)), Change::Deleted, noted(), Change::Created(state(4))],
            state(4),
            103,
            false,
        ),
        (
            vec![Change::Created(state(1)), Change::Deleted, back(Some(state(1)))],
            state(1),
            100,
            false,
        ),
        (vec![Change::Created(state(1)), back(None)], Value::Null, 100, true),
        (vec![noted(), back(Some(state(1)))], state(1), 101, false),
    ] {
        let aggregate = fold(changes.clone()).unwrap();
        assert_eq!(aggregate.state, expected, "{changes:?}");
        assert_eq!(aggregate.version, changes.len() as u64);
        assert_eq!(aggregate.created_at_us, created_at_us, "{changes:?}");
        assert_eq!(aggregate.is_deleted(), deleted, "{changes:?}");
        assert_eq!(aggregate.exists(), !expected.is_null());
        let updated = if changes.is_empty() { 0 } else { 99 + changes.len() as i64 };
        assert_eq!(aggregate.updated_at_us, updated);
    }
}

#[test]
fn what_cannot_follow_is_corruption() {
    let created = || Change::Created(state(1));
    let increment = || Operation::Append {
        path: "a".parse().unwrap(),
        values: vec![1.into()],
        length_max: None,
    };
    for changes in [
        vec![Change::Merged(state(1))],
        vec![Change::Operated(vec![])],
        vec![Change::Replaced(state(1))],
        vec![Change::Deleted],
        vec![Change::Created(1.into())],
        vec![created(), created()],
        vec![created(), Change::Merged("x".into())],
        vec![created(), Change::Replaced(Value::Null)],
        vec![created(), Change::Operated(vec![increment()])],
        vec![created(), Change::RolledBack { to_version: 2, state: None }],
        vec![created(), Change::RolledBack { to_version: 1, state: Some(1.into()) }],
        vec![created(), Change::Deleted, Change::Deleted],
    ] {
        assert_eq!(fold(changes.clone()).unwrap_err().code, Code::DataCorrupted, "{changes:?}");
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        arbitrary::value().prop_map(Change::Created),
        arbitrary::state().prop_map(Change::Created),
        arbitrary::state().prop_map(Change::Merged),
        proptest::collection::vec(arbitrary::operation(), 1..3).prop_map(Change::Operated),
        arbitrary::state().prop_map(Change::Replaced),
        Just(Change::Deleted),
        (0..6_u64, proptest::option::of(arbitrary::state()))
            .prop_map(|(to_version, state)| Change::RolledBack { to_version, state }),
        Just(noted()),
    ]
}

proptest! {
    #[test]
    fn any_history_folds_the_same_or_not_at_all(
        changes in proptest::collection::vec(change(), 0..8),
    ) {
        let first = fold(changes.clone());
        prop_assert_eq!(&fold(changes.clone()), &first);
        match first {
            Err(error) => prop_assert_eq!(error.code, Code::DataCorrupted),
            Ok(aggregate) => {
                prop_assert_eq!(aggregate.version, changes.len() as u64);
                prop_assert!(!aggregate.exists() || aggregate.state.as_map().is_some());
                prop_assert!(!aggregate.exists() || aggregate.created_at_us != 0);
            }
        }
    }
}
