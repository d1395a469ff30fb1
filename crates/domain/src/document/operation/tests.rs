use proptest::prelude::*;

use super::*;
use crate::Detail;
use crate::document::limits::INT_ABS_MAX;
use crate::document::{Map, arbitrary};

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn list(items: &[i32]) -> Value {
    items.iter().map(|item| Value::from(*item)).collect::<Vec<_>>().into()
}

fn set(at: &str, value: impl Into<Value>) -> Operation {
    Operation::Set { path: path(at), value: value.into() }
}

fn number(number: f64) -> Number {
    Number::new(number).unwrap()
}

fn increment(at: &str, by: f64, min: Option<f64>, max: Option<f64>, clamp: bool) -> Operation {
    let (min, max) = (min.map(number), max.map(number));
    Operation::Increment(Increment { path: path(at), by: number(by), min, max, clamp })
}

fn append(at: &str, items: &[i32], length_max: Option<u32>) -> Operation {
    let values = items.iter().map(|item| Value::from(*item)).collect();
    Operation::Append { path: path(at), values, length_max }
}

fn members(items: &[i32]) -> Vec<Value> {
    items.iter().map(|item| Value::from(*item)).collect()
}

#[test]
fn operations_do_what_they_say() {
    let add = |at, items| Operation::AddToSet { path: path(at), values: members(items) };
    let drop = |at, items| Operation::RemoveFromSet { path: path(at), values: members(items) };
    let remove = |at| Operation::Remove { path: path(at) };
    let maximum = |at, value| Operation::Maximum { path: path(at), value };
    let minimum = |at, value| Operation::Minimum { path: path(at), value };
    let one = || map([("a", 1.into())]);
    let items = || map([("l", list(&[1, 2, 3]))]);
    for (before, operation, after) in [
        (one(), set("a", 2), map([("a", 2.into())])),
        (one(), set("a", Value::Null), map([("a", Value::Null)])),
        (
            one(),
            set("b.c.d", 2),
            map([("a", 1.into()), ("b", map([("c", map([("d", 2.into())]))]))]),
        ),
        (map([("a", Value::Null)]), set("a.b", 1), map([("a", one_of("b", 1))])),
        (items(), set("l.1", 9), map([("l", list(&[1, 9, 3]))])),
        (map([("1", 1.into())]), set("1", 2), map([("1", 2.into())])),
        (
            map([("l", vec![one()].into())]),
            set("l.0.a", 2),
            map([("l", vec![one_of("a", 2)].into())]),
        ),
        (one(), increment("a", 2.0, None, None, false), map([("a", 3.into())])),
        (
            one(),
            increment("b", -2.0, None, None, false),
            map([("a", 1.into()), ("b", (-2).into())]),
        ),
        (one(), increment("a", 0.5, None, None, false), map([("a", Value::number(1.5).unwrap())])),
        (one(), increment("a", -5.0, Some(0.0), None, true), map([("a", 0.into())])),
        (one(), increment("a", 5.0, None, Some(4.0), true), map([("a", 4.into())])),
        (one(), increment("a", 3.0, Some(0.0), Some(4.0), false), map([("a", 4.into())])),
        (
            map([("a", Value::Int(INT_ABS_MAX))]),
            increment("a", 1.0, None, Some(100.0), true),
            map([("a", 100.into())]),
        ),
        (map([("a", Value::Null)]), increment("a", 2.0, None, None, false), one_of("a", 2)),
        (map([("l", Value::Null)]), append("l", &[1], None), map([("l", list(&[1]))])),
        (items(), append("l", &[4], None), map([("l", list(&[1, 2, 3, 4]))])),
        (items(), append("l", &[4, 5], Some(3)), map([("l", list(&[3, 4, 5]))])),
        (map([]), append("l", &[1, 2], Some(1)), map([("l", list(&[2]))])),
        (items(), append("l", &[4], Some(0)), map([("l", list(&[]))])),
        (one(), remove("a"), map([])),
        (one(), remove("b.c"), one()),
        (one(), remove("a.b"), one()),
        (items(), remove("l.0"), map([("l", list(&[2, 3]))])),
        (items(), remove("l.3"), items()),
        (items(), add("l", &[3, 4, 4]), map([("l", list(&[1, 2, 3, 4]))])),
        (map([]), add("s.t", &[2, 1, 2]), map([("s", map([("t", list(&[2, 1]))]))])),
        (items(), drop("l", &[1, 3, 7]), map([("l", list(&[2]))])),
        (one(), drop("s", &[1]), one()),
        (one(), maximum("a", 2.into()), map([("a", 2.into())])),
        (one(), maximum("a", Value::number(0.5).unwrap()), one()),
        (one(), minimum("a", 2.into()), one()),
        (one(), minimum("a", (-1).into()), map([("a", (-1).into())])),
        (one(), minimum("b", 7.into()), map([("a", 1.into()), ("b", 7.into())])),
        (map([("t", "b".into())]), maximum("t", "c".into()), map([("t", "c".into())])),
    ] {
        let (mut lent, mut given) = (before.clone(), before.clone());
        operation.apply(&mut lent).unwrap();
        assert_eq!(lent, after, "{operation:?} on {before:?}");
        operation.apply_owned(&mut given).unwrap();
        assert_eq!(given, after);
    }
}

fn one_of(name: &str, value: i32) -> Value {
    map([(name, value.into())])
}

#[test]
fn what_cannot_be_done_is_refused_with_the_path_and_leaves_no_trace() {
    let state = || {
        map([
            ("n", 1.into()),
            ("t", "x".into()),
            ("l", list(&[1])),
            ("e", list(&[])),
            ("big", Value::Int(INT_ABS_MAX)),
        ])
    };
    let refused = Code::OperationRefused;
    for (operation, code, message) in [
        (
            set("t.a", 1),
            refused,
            "t.a: the operation accepts a map or nothing on the way, found text",
        ),
        (set("l.1", 1), refused, "l.1: `1` names no item: accepts 0 to 0; `append` adds items"),
        (set("l.x", 1), refused, "l.x: `x` names no item: accepts 0 to 0; `append` adds items"),
        (set("e.0", 1), refused, "e.0: `0` names no item: the list is empty; `append` adds items"),
        (
            increment("t", 1.0, None, None, false),
            refused,
            "t: the operation accepts a number or nothing, found text",
        ),
        (
            increment("new.n", 1.0, Some(2.0), None, false),
            refused,
            "new.n: the result may be at least 2, but would be 1",
        ),
        (
            increment("n", 1.5, None, Some(2.0), false),
            refused,
            "n: the result may be at most 2, but would be 2.5",
        ),
        (
            increment("big", 1.0, None, None, true),
            Code::NumericOverflow,
            "big: 9007199254740991 and 1 add up to more than ±(2^53 − 1)",
        ),
        (
            increment("big", 1.0, None, Some(5.0), false),
            Code::NumericOverflow,
            "big: 9007199254740991 and 1 add up to more than ±(2^53 − 1)",
        ),
        (
            append("n", &[1], None),
            refused,
            "n: the operation accepts a list or nothing, found a whole number",
        ),
        (
            Operation::AddToSet { path: path("t"), values: members(&[1]) },
            refused,
            "t: the operation accepts a list or nothing, found text",
        ),
        (
            Operation::RemoveFromSet { path: path("t"), values: members(&[1]) },
            refused,
            "t: the operation accepts a list or nothing, found text",
        ),
        (
            Operation::Maximum { path: path("t"), value: 1.into() },
            refused,
            "t: the operation accepts a number, found text",
        ),
        (
            Operation::Minimum { path: path("n"), value: "a".into() },
            refused,
            "n: the operation accepts text, found a whole number",
        ),
    ] {
        let mut target = state();
        let error = operation.apply(&mut target).unwrap_err();
        assert_eq!((error.code, &*error.message), (code, message));
        let field = Detail::Fact { key: "field", value: operation.path().to_string() };
        assert!(error.details.contains(&field), "{error:?}");
        assert_eq!(target, state(), "{operation:?}");
    }
}

#[test]
fn operations_that_cannot_be_meant_are_refused() {
    let none = |at| Operation::AddToSet { path: path(at), values: Vec::new() };
    let many = append("l", &vec![0; OPERATION_VALUES_MAX + 1], None);
    let compare = Operation::Maximum { path: path("a"), value: true.into() };
    for operations in [
        vec![],
        vec![set("a", 1); OPERATIONS_MAX + 1],
        vec![increment("a", 1.0, Some(2.0), Some(1.0), false)],
        vec![set("a", 1), none("s")],
        vec![many],
        vec![compare],
        vec![set("a", (0..40).fold(Value::Null, |value, _| map([("d", value)])))],
    ] {
        assert!(check_operations(&operations).is_err(), "{operations:?}");
    }
    assert_eq!(check_operations(&vec![set("a", 1); OPERATIONS_MAX]), Ok(()));
}

#[test]
fn large_sets_are_as_small_ones() {
    let mut items: Vec<Value> = members(&(0..1_000).collect::<Vec<_>>());
    set::add(&mut items, members(&[5, 1_000, 1_000, 3]));
    assert_eq!(items, members(&(0..=1_000).collect::<Vec<_>>()));
    set::remove(&mut items, &members(&(1..=1_000).collect::<Vec<_>>()));
    assert_eq!(items, members(&[0]));
}

proptest! {
    #[test]
    fn all_are_applied_or_none(
        before in arbitrary::state(),
        operations in proptest::collection::vec(arbitrary::operation(), 0..5),
    ) {
        let mut one_by_one = before.clone();
        let result = operations.iter().try_for_each(|operation| operation.apply(&mut one_by_one));
        let mut target = before.clone();
        prop_assert_eq!(&apply_all(&mut target, &operations), &result);
        prop_assert_eq!(target, if result.is_ok() { one_by_one } else { before });
    }

    #[test]
    fn a_single_operation_leaves_no_trace_when_refused(
        before in arbitrary::state(),
        operation in arbitrary::operation(),
    ) {
        let (mut lent, mut given) = (before.clone(), before.clone());
        let result = operation.apply(&mut lent);
        if result.is_err() {
            prop_assert_eq!(&lent, &before);
        }
        prop_assert_eq!(operation.apply_owned(&mut given), result);
        prop_assert_eq!(given, lent);
    }

    #[test]
    fn sets_hold_no_item_twice(
        first in proptest::collection::vec(0..60_i32, 0..40),
        second in proptest::collection::vec(0..60_i32, 1..40),
    ) {
        let mut items = Vec::new();
        set::add(&mut items, members(&first));
        set::add(&mut items, members(&second));
        let mut expected = Vec::new();
        for item in members(&first).into_iter().chain(members(&second)) {
            if !expected.contains(&item) {
                expected.push(item);
            }
        }
        prop_assert_eq!(&items, &expected);
        set::remove(&mut items, &members(&second));
        expected.retain(|item| !members(&second).contains(item));
        prop_assert_eq!(items, expected);
    }
}
