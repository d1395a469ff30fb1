use super::*;
use crate::document::{Declaration, Field, Increment, ValueSchema};

fn schema() -> Schema {
    let field = |path: &str, merge| Field {
        path: path.parse().unwrap(),
        description: String::new(),
        value: ValueSchema::Any,
        required: false,
        default: None,
        merge,
    };
    Schema::new(Declaration {
        type_name: "thing".parse().unwrap(),
        description: String::new(),
        fields: vec![
            field("name", Merge::LastWriterWins),
            field("gold", Merge::Counter),
            field("best", Merge::Maximum),
            field("fastest", Merge::Minimum),
            field("tags", Merge::AddWinsSet),
            field("bag", Merge::Map),
            field("limited", Merge::LastWriterWins),
        ],
        open: false,
        validators: vec![crate::document::Validator::Range {
            path: "limited".parse().unwrap(),
            min: None,
            max: Some(10.0),
        }],
        builtin: false,
    })
    .unwrap()
}

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn words(words: &[&str]) -> Value {
    words.iter().map(|word| Value::from(*word)).collect::<Vec<_>>().into()
}

fn settle(base: Option<Value>, now: &Value, command: Command) -> Settlement {
    let aggregate = Aggregate {
        state: now.clone(),
        version: 5,
        created_at_us: 1,
        updated_at_us: 1,
        ..Aggregate::default()
    };
    let base = base.map(|state| Base { version: 1, state });
    reconcile(&schema(), &aggregate, &[], Pending { command, base }, 2)
}

fn merge(patch: Value) -> Command {
    Command::Merge { patch, create_missing: false }
}

#[test]
fn contested_fields_are_merged_as_declared() {
    use Resolution::{Applied, Kept, Merged};
    let (base, bag) =
        (|value: Value| map([("name", value)]), |gold: i32| map([("gold", gold.into())]));
    for (base, now, patch, expected, resolution) in [
        // Nobody else touched it.
        (base("a".into()), base("a".into()), base("b".into()), base("b".into()), Applied),
        // Both did: what is there stays.
        (base("a".into()), base("x".into()), base("b".into()), base("x".into()), Kept),
        // Both did the same.
        (base("a".into()), base("b".into()), base("b".into()), base("b".into()), Applied),
        // Others touched another field.
        (
            map([]),
            map([("gold", 1.into())]),
            base("b".into()),
            map([("gold", 1.into()), ("name", "b".into())]),
            Applied,
        ),
        (bag(10), bag(14), bag(7), bag(11), Merged),
        (map([]), bag(4), bag(3), bag(7), Merged),
        (
            map([("best", 1.into())]),
            map([("best", 5.into())]),
            map([("best", 3.into())]),
            map([("best", 5.into())]),
            Merged,
        ),
        (
            map([("best", 1.into())]),
            map([("best", 5.into())]),
            map([("best", 8.into())]),
            map([("best", 8.into())]),
            Merged,
        ),
        (
            map([("fastest", 9.into())]),
            map([("fastest", 5.into())]),
            map([("fastest", 7.into())]),
            map([("fastest", 5.into())]),
            Merged,
        ),
        (
            map([("tags", words(&["a", "b", "c"]))]),
            map([("tags", words(&["a", "c", "x"]))]),
            map([("tags", words(&["b", "c", "y"]))]),
            map([("tags", words(&["c", "x", "y"]))]),
            Merged,
        ),
        (
            map([("bag", bag(1))]),
            map([("bag", map([("gold", 1.into()), ("gems", 2.into())]))]),
            map([("bag", bag(5))]),
            map([("bag", map([("gold", 5.into()), ("gems", 2.into())]))]),
            Applied,
        ),
    ] {
        let settlement = settle(Some(base.clone()), &now, merge(patch.clone()));
        let [field] = &settlement.fields[..] else { panic!("one field") };
        assert_eq!(field.resolution, resolution, "{base:?} {now:?} {patch:?}");
        assert_eq!(field.value, expected.get(&field.path).cloned().unwrap_or_default());
        match settlement.decision {
            Ok(decision) => assert_eq!(decision.after.state, expected),
            Err(error) => {
                assert_eq!(error.code, Code::VersionConflict);
                assert_eq!(resolution, Kept);
            }
        }
    }
}

#[test]
fn what_lost_is_left_out_and_the_rest_applied() {
    let base = map([("name", "a".into()), ("gold", 1.into())]);
    let now = map([("name", "x".into()), ("gold", 1.into())]);
    let patch = map([("name", "b".into()), ("gold", 2.into())]);
    let settlement = settle(Some(base), &now, merge(patch));
    let resolutions: Vec<_> = settlement.fields.iter().map(|field| field.resolution).collect();
    assert_eq!(resolutions, [Resolution::Applied, Resolution::Kept]);
    let after = settlement.decision.unwrap().after.state;
    assert_eq!(after, map([("name", "x".into()), ("gold", 2.into())]));
}

#[test]
fn without_a_base_a_change_applies_to_any_state() {
    let settlement = settle(None, &map([("name", "x".into())]), merge(map([("name", "b".into())])));
    assert_eq!(settlement.fields[0].resolution, Resolution::Applied);
    assert_eq!(settlement.decision.unwrap().after.state, map([("name", "b".into())]));
}

#[test]
fn operations_are_settled_one_by_one() {
    let path = |text: &str| text.parse::<FieldPath>().unwrap();
    let by = 5.into();
    let operations = vec![
        Operation::Increment(Increment {
            path: path("gold"),
            by,
            min: None,
            max: None,
            clamp: false,
        }),
        Operation::Set { path: path("name"), value: "b".into() },
        Operation::Remove { path: path("best") },
        Operation::Set { path: path("bag.gold"), value: 1.into() },
    ];
    let base = map([("gold", 1.into()), ("name", "a".into()), ("best", 1.into())]);
    let now = map([("gold", 3.into()), ("name", "x".into()), ("best", 2.into())]);
    let command = Command::Operate { operations, create_missing: false };
    let settlement = settle(Some(base), &now, command);
    let resolutions: Vec<_> = settlement.fields.iter().map(|field| field.resolution).collect();
    use Resolution::{Applied, Kept, Merged};
    assert_eq!(resolutions, [Merged, Kept, Kept, Applied]);
    let bag = map([("gold", 1.into())]);
    let expected =
        map([("gold", 8.into()), ("name", "x".into()), ("best", 2.into()), ("bag", bag)]);
    assert_eq!(settlement.decision.unwrap().after.state, expected);
}

#[test]
fn a_refused_change_refuses_its_fields() {
    let settlement =
        settle(None, &map([]), merge(map([("limited", 11.into()), ("name", "a".into())])));
    assert_eq!(settlement.decision.unwrap_err().code, Code::ValidatorRefused);
    let outcome = |field: &FieldOutcome| (field.resolution, field.value.clone());
    let outcomes: Vec<_> = settlement.fields.iter().map(outcome).collect();
    assert_eq!(outcomes, vec![(Resolution::Refused, Value::Null); 2]);
}

/// What a caller's changes come to, made one after the other upon one base, each told of the steps that
/// those before it made; between them others do what `others` says.
fn one_after_the_other(base: &Value, changes: &[(Value, Option<Value>)]) -> Value {
    let mut aggregate = Aggregate {
        state: base.clone(),
        version: 1,
        created_at_us: 1,
        updated_at_us: 1,
        ..Aggregate::default()
    };
    let mut own = Vec::new();
    for (patch, others) in changes {
        let before = aggregate.state.clone();
        let base = Some(Base { version: 1, state: base.clone() });
        let pending = Pending { command: merge(patch.clone()), base };
        match reconcile(&schema(), &aggregate, &own, pending, 2).decision {
            Ok(decision) => {
                aggregate = decision.after;
                let (version, after) = (aggregate.version, aggregate.state.clone());
                own.push(OwnStep { version, before, after });
            }
            Err(error) => assert_eq!(error.code, Code::VersionConflict),
        }
        if let Some(others) = others {
            crate::document::merge_patch(&mut aggregate.state, others.clone());
            aggregate.version += 1;
        }
    }
    aggregate.state
}

#[test]
fn the_callers_own_steps_are_not_taken_for_those_of_others() {
    let base = map([("gold", 100.into()), ("name", "away".into()), ("tags", words(&["a", "b"]))]);
    let patch = |gold: i32, name: &str, tags: &[&str]| {
        map([("gold", gold.into()), ("name", name.into()), ("tags", words(tags))])
    };
    let (first, second) = (patch(150, "on", &["a", "c"]), patch(180, "off", &["c", "d"]));
    // Nobody else came between: as the caller saw it himself.
    let alone = [(first.clone(), None), (second.clone(), None)];
    assert_eq!(one_after_the_other(&base, &alone), second);
    // Others did, after the first: only what they did is added.
    let others =
        map([("gold", 157.into()), ("name", "x".into()), ("tags", words(&["a", "c", "y"]))]);
    let between = [(first, Some(others)), (second, None)];
    let expected =
        map([("gold", 187.into()), ("name", "x".into()), ("tags", words(&["c", "y", "d"]))]);
    assert_eq!(one_after_the_other(&base, &between), expected);
    // However many there are.
    let many: Vec<_> = (1..=100).map(|n| (map([("gold", (100 + n * 10).into())]), None)).collect();
    assert_eq!(one_after_the_other(&base, &many).child("gold"), Some(&1_100.into()));
}

#[test]
fn what_was_deleted_does_not_come_back_with_a_change_of_it() {
    let deleted = Aggregate {
        state: Value::Null,
        version: 5,
        created_at_us: 1,
        updated_at_us: 1,
        ..Aggregate::default()
    };
    let upon = |base: Option<u64>| {
        let command = Command::Merge { patch: map([("gold", 1.into())]), create_missing: true };
        let base = base.map(|version| Base { version, state: Value::Null });
        reconcile(&schema(), &deleted, &[], Pending { command, base }, 2)
    };
    for base in [None, Some(0), Some(4)] {
        let Settlement { decision, fields } = upon(base);
        let refusal = decision.unwrap_err();
        assert_eq!(refusal.code, Code::NotFound);
        assert!(refusal.message.contains("its last version is 5"), "{}", refusal.message);
        assert_eq!(fields[0].resolution, Resolution::Refused);
    }
    // Made with the knowledge that it is gone: another one in its place is what is meant.
    assert!(upon(Some(5)).decision.is_ok());
}
