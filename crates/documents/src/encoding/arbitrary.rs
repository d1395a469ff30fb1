//! Random values and changes, for tests.

#![expect(clippy::unwrap_used, reason = "what is generated lies within the bounds")]

use gamemesh_domain::document::{Change, FieldPath, Increment, Map, Number, Operation, Value};
use proptest::prelude::*;

/// Any value.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(|n| Value::int(n).unwrap()),
        (-1e9..1e9).prop_map(|n| Value::number(n).unwrap()),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            map_of(inner).prop_map(Value::from),
        ]
    })
}

/// Maps of such values.
pub fn map_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map> {
    proptest::collection::vec(("[a-zA-Z.é ]{0,12}", inner), 0..8)
        .prop_map(|entries| entries.into_iter().collect())
}

fn operation() -> impl Strategy<Value = Operation> {
    let path = || "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}".prop_map(|p| p.parse::<FieldPath>().unwrap());
    let number = || (-1e6..1e6).prop_map(|n| Number::new(n).unwrap());
    let values = || proptest::collection::vec(value(), 0..4);
    let bound = move || proptest::option::of(number());
    prop_oneof![
        (path(), value()).prop_map(|(path, value)| Operation::Set { path, value }),
        (path(), number(), bound(), bound(), any::<bool>()).prop_map(
            |(path, by, min, max, clamp)| {
                Operation::Increment(Increment { path, by, min, max, clamp })
            }
        ),
        (path(), values(), proptest::option::of(1..1_000_u32))
            .prop_map(|(path, values, length_max)| Operation::Append { path, values, length_max }),
        path().prop_map(|path| Operation::Remove { path }),
        (path(), values()).prop_map(|(path, values)| Operation::AddToSet { path, values }),
        (path(), values()).prop_map(|(path, values)| Operation::RemoveFromSet { path, values }),
        (path(), value()).prop_map(|(path, value)| Operation::Maximum { path, value }),
        (path(), value()).prop_map(|(path, value)| Operation::Minimum { path, value }),
    ]
}

/// Any change.
pub fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        value().prop_map(Change::Created),
        value().prop_map(Change::Merged),
        proptest::collection::vec(operation(), 0..5).prop_map(Change::Operated),
        value().prop_map(Change::Replaced),
        Just(Change::Deleted),
        (0..1_u64 << 40, proptest::option::of(value()))
            .prop_map(|(to_version, state)| Change::RolledBack { to_version, state }),
        ("[a-z._-]{1,20}", value())
            .prop_map(|(kind, data)| Change::Noted { kind: kind.into(), data }),
    ]
}
