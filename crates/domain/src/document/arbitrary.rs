//! Arbitrary values for the laws.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::limits::INT_ABS_MAX;
use super::{FieldPath, Increment, Map, Number, Operation, Value};

/// Few names, so that they meet; some that need quotes, or look like an index.
pub(super) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(vec!["a", "b", "c", "gold", "0", "1"]).prop_map(str::to_owned),
        1 => select(vec!["boss.kills", "a b", "\"", "\\", "", "é", "_x"]).prop_map(str::to_owned),
    ]
}

pub(super) fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (-5..=5_i64).prop_map(Number::Int),
        (-INT_ABS_MAX..=INT_ABS_MAX).prop_map(Number::Int),
        (-1e6..1e6).prop_map(|number| Number::new(number).unwrap()),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ]
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4).prop_map(|entries| Map::from_iter(entries).into()),
        ]
    })
}

pub(super) fn state() -> impl Strategy<Value = Value> {
    vec((name(), value()), 0..5).prop_map(|entries| Map::from_iter(entries).into())
}

pub(super) fn path() -> impl Strategy<Value = FieldPath> {
    vec(name(), 1..4)
        .prop_map(|names| FieldPath::from_names(names.iter().map(String::as_str)).unwrap())
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let values = || vec(value(), 1..4);
    let comparable = || prop_oneof![number().prop_map(Value::from), "[ab]".prop_map(Value::from)];
    let bound = || proptest::option::of(number());
    prop_oneof![
        (path(), value()).prop_map(|(path, value)| Operation::Set { path, value }),
        (path(), number(), bound(), bound(), any::<bool>()).prop_map(
            |(path, by, min, max, clamp)| {
                Operation::Increment(Increment { path, by, min, max, clamp })
            }
        ),
        (path(), values(), proptest::option::of(0..4_u32))
            .prop_map(|(path, values, length_max)| Operation::Append { path, values, length_max }),
        path().prop_map(|path| Operation::Remove { path }),
        (path(), values()).prop_map(|(path, values)| Operation::AddToSet { path, values }),
        (path(), values()).prop_map(|(path, values)| Operation::RemoveFromSet { path, values }),
        (path(), comparable()).prop_map(|(path, value)| Operation::Maximum { path, value }),
        (path(), comparable()).prop_map(|(path, value)| Operation::Minimum { path, value }),
    ]
}
