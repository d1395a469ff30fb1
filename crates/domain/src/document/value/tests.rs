use std::collections::BTreeMap;

use proptest::prelude::*;

use super::limits::*;
use super::*;
use crate::document::arbitrary;
use crate::{Code, Detail};

#[test]
fn a_number_has_one_form() {
    for (number, expected) in [
        (2.0, Some(Value::Int(2))),
        (-0.0, Some(Value::Int(0))),
        (9_007_199_254_740_991.0, Some(Value::Int(INT_ABS_MAX))),
        (-9_007_199_254_740_991.0, Some(Value::Int(-INT_ABS_MAX))),
        (9_007_199_254_740_992.0, None),
        (1e300, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
    ] {
        assert_eq!(Value::number(number).ok(), expected, "{number}");
    }
    assert_eq!(Value::number(0.5).unwrap().as_f64(), Some(0.5));
    assert_eq!(Value::int(INT_ABS_MAX + 1).unwrap_err().code, Code::InvalidArgument);
    assert_eq!(Value::int(i64::MIN).unwrap_err().code, Code::InvalidArgument);
    assert_eq!(Value::int(-INT_ABS_MAX).unwrap(), Value::Int(-INT_ABS_MAX));
}

#[test]
fn of_equal_names_the_last_stays() {
    let map = Map::from([("b", 1), ("a", 2), ("b", 3)]);
    assert_eq!(map.iter().collect::<Vec<_>>(), [("a", &Value::Int(2)), ("b", &Value::Int(3))]);
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, _| Map::from([("a", value)]).into())
}

#[test]
fn what_exceeds_a_limit_is_refused_with_field_and_bound() {
    let under = |value: Value| Value::from(Map::from([("x", value)]));
    let list = |length| under(vec![Value::Null; length].into());
    let wide = |length: usize| Map::from_iter((0..length).map(|n| (n.to_string(), 1))).into();
    let text = |bytes: usize| under("x".repeat(bytes).into());
    let name = |bytes: usize| Value::from(Map::from([("n".repeat(bytes), 1)]));
    for (what, within, beyond, field, bound) in [
        ("depth", nested(32), nested(33), ["a"; 32].join("."), VALUE_DEPTH_MAX),
        ("list", list(10_000), list(10_001), "x".into(), LIST_LENGTH_MAX),
        ("map", wide(10_000), wide(10_001), String::new(), MAP_LENGTH_MAX),
        ("name", name(256), name(257), String::new(), NAME_BYTES_MAX),
        ("size", text((1 << 20) - 17), text((1 << 20) - 16), String::new(), DOCUMENT_BYTES_MAX),
    ] {
        assert_eq!(check_limits(&within), Ok(()), "{what}");
        let error = check_limits(&beyond).unwrap_err();
        assert_eq!(error.code, Code::SchemaViolation, "{what}");
        let fact = |key, value: &dyn ToString| Detail::Fact { key, value: value.to_string() };
        assert!(error.details.contains(&fact("bound", &bound)), "{what}: {error:?}");
        // The state itself has no path.
        if !field.is_empty() {
            assert!(error.details.contains(&fact("field", &field)), "{what}: {error:?}");
        }
    }
    let forged = Value::from(Map::from([("a", Value::Int(INT_ABS_MAX + 1))]));
    assert!(check_limits(&forged).unwrap_err().message.starts_with("a: absolute value"));
}

#[test]
fn the_size_covers_what_is_on_the_heap() {
    let small = Value::from(Map::from([("name", "x")]));
    let large = Value::from(Map::from([("name", "x".repeat(1_000))]));
    assert_eq!(large.size_bytes() - small.size_bytes(), 999);
    assert!(small.size_bytes() >= size_of::<Value>() + size_of::<(Box<str>, Value)>() + 5);
}

proptest! {
    #[test]
    fn a_map_is_as_a_tree(
        steps in proptest::collection::vec((arbitrary::name(), proptest::option::of(0..9_i32)), 0..40),
    ) {
        let (mut map, mut tree) = (Map::new(), BTreeMap::new());
        for (name, step) in steps {
            match step {
                Some(value) => prop_assert_eq!(
                    map.insert(name.as_str(), Value::from(value)),
                    tree.insert(name.clone(), Value::from(value))
                ),
                None => prop_assert_eq!(map.remove(&name), tree.remove(&name)),
            }
            prop_assert_eq!(map.get(&name), tree.get(&name));
            prop_assert!(map.iter().eq(tree.iter().map(|(name, value)| (name.as_str(), value))));
        }
        let mut entries: Vec<_> = map.clone().into_iter().collect();
        entries.reverse();
        prop_assert_eq!(Map::from_entries(entries), map);
    }

    #[test]
    fn numbers_are_exact_in_both_directions(number in arbitrary::number()) {
        prop_assert_eq!(Number::new(number.as_f64()), Some(number));
    }

    #[test]
    fn numbers_are_in_the_order_of_doubles(a in arbitrary::number(), b in arbitrary::number()) {
        prop_assert_eq!(Some(a.cmp(&b)), a.as_f64().partial_cmp(&b.as_f64()));
        prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
    }
}

proptest! {
    /// What is shared is the same; what one change leaves as it was is shared.
    #[test]
    fn what_a_change_leaves_is_shared(
        before in arbitrary::state(),
        operation in arbitrary::operation(),
        path in arbitrary::path(),
        other in arbitrary::state(),
    ) {
        let mut after = before.clone();
        let _ = operation.apply(&mut after);
        for after in [&after, &other] {
            if before.shares(after, &path) {
                prop_assert_eq!(before.get(&path), after.get(&path));
            }
        }
        if let (Value::Map(before), Value::Map(after)) = (&before, &after)
            && let Some(touched) = after.touched(before)
        {
            for (name, value) in after.iter() {
                prop_assert!(touched.contains(&name) || before.get(name) == Some(value));
            }
        }
        let changed = operation.path();
        let is_apart = !changed.covers(&path) && !path.covers(changed);
        // What lies behind an item that is removed has another number.
        if is_apart && before.get(&path).is_some() && before.get(&path) == after.get(&path) {
            prop_assert!(before.shares(&after, &path), "{:?} and {:?}", before, after);
        }
    }
}
