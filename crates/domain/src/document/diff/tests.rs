use proptest::prelude::*;

use super::*;
use crate::document::{Aggregate, Operation, arbitrary, merge_patch};

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

#[test]
fn differences_are_named_in_order() {
    let from = map([
        ("a", 1.into()),
        ("b", map([("x", 1.into()), ("y", 2.into())])),
        ("l", vec![1.into(), 2.into()].into()),
        ("z", "same".into()),
    ]);
    let to = map([
        ("b", map([("x", 1.into()), ("y", 3.into())])),
        ("c.d", Value::Null),
        ("l", vec![1.into(), map([]), 5.into()].into()),
        ("z", "same".into()),
    ]);
    let found: Vec<_> = diff(&from, &to)
        .into_iter()
        .map(|difference| {
            (difference.path.to_string(), difference.kind, difference.from, difference.to)
        })
        .collect();
    let (null, number) = (Value::Null, |number: i32| Value::from(number));
    assert_eq!(
        found,
        [
            ("a".into(), DifferenceKind::Removed, number(1), null.clone()),
            ("b.y".into(), DifferenceKind::Changed, number(2), number(3)),
            ("\"c.d\"".into(), DifferenceKind::Added, null.clone(), null.clone()),
            ("l.1".into(), DifferenceKind::Changed, number(2), map([])),
            ("l.2".into(), DifferenceKind::Added, null.clone(), number(5)),
        ]
    );
    assert_eq!(diff(&null, &map([])), []);
    assert_eq!(diff(&null, &map([("a", 1.into())])).len(), 1);
}

proptest! {
    /// Removals go from the end, so that the numbers of list items before them stay.
    #[test]
    fn differences_lead_from_one_state_to_the_other(
        from in arbitrary::state(),
        to in arbitrary::state(),
    ) {
        let differences = diff(&from, &to);
        prop_assert_eq!(differences.is_empty(), from == to);
        let mut state = from;
        let (removed, put): (Vec<_>, Vec<_>) = differences
            .into_iter()
            .partition(|difference| difference.kind == DifferenceKind::Removed);
        for Difference { path, kind, from: old, to: new } in put {
            prop_assert_eq!(state.get(&path).cloned().unwrap_or_default(), old);
            let at_end = kind == DifferenceKind::Added;
            let names: Vec<_> = path.segments().map(|name| name.into_owned()).collect();
            let parent = FieldPath::from_names(names[..names.len() - 1].iter().map(String::as_str)).ok();
            let list = parent.filter(|parent| state.get(parent).is_some_and(|v| v.as_list().is_some()));
            let operation = match list {
                Some(path) if at_end => Operation::Append { path, values: vec![new], length_max: None },
                _ => Operation::Set { path, value: new },
            };
            operation.apply(&mut state).unwrap();
        }
        for Difference { path, .. } in removed.into_iter().rev() {
            prop_assert!(state.get(&path).is_some());
            Operation::Remove { path }.apply(&mut state).unwrap();
        }
        prop_assert_eq!(state, to);
    }

    #[test]
    fn a_patch_between_two_states_leads_from_one_to_the_other(
        from in arbitrary::state(),
        to in arbitrary::state(),
    ) {
        match merge_patch_between(&from, &to) {
            Some(patch) => {
                let mut state = from;
                merge_patch(&mut state, patch);
                prop_assert_eq!(state, to);
            }
            None => prop_assert!(holds_null(&to)),
        }
    }

    #[test]
    fn a_change_between_two_states_leads_from_one_to_the_other(
        from in prop_oneof![Just(Value::Null), arbitrary::state()],
        to in prop_oneof![Just(Value::Null), arbitrary::state()],
    ) {
        prop_assume!(!(from.is_null() && to.is_null()));
        let mut aggregate = Aggregate { state: from.clone(), ..Aggregate::default() };
        aggregate.evolve(change_between(&from, &to), 1).unwrap();
        prop_assert_eq!(aggregate.state, to);
    }
}
