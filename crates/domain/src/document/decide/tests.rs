use proptest::prelude::*;

use super::*;
use crate::document::{Declaration, Map, arbitrary};
use crate::state::builtin_schemas;

const NOW_US: i64 = 1_000_000;

fn schema(name: &str) -> Schema {
    builtin_schemas()
        .unwrap()
        .into_iter()
        .find(|schema| schema.type_name().as_str() == name)
        .unwrap()
}

fn anything() -> Schema {
    Schema::new(Declaration {
        type_name: "thing".parse().unwrap(),
        description: String::new(),
        fields: Vec::new(),
        open: true,
        validators: Vec::new(),
        builtin: false,
    })
    .unwrap()
}

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn set(at: &str, value: i32) -> Operation {
    Operation::Set { path: at.parse().unwrap(), value: value.into() }
}

fn player() -> Aggregate {
    let command = Command::Create { state: map([("level", 3.into())]) };
    decide(&schema("player"), &Aggregate::default(), command, NOW_US).unwrap().after
}

#[test]
fn what_brings_an_aggregate_into_being_is_its_whole_first_state() {
    let state = || map([("level", 3.into())]);
    let operations = vec![set("level", 3)];
    for command in [
        Command::Create { state: state() },
        Command::Merge { patch: state(), create_missing: true },
        Command::Operate { operations, create_missing: true },
        Command::Replace { state: state(), create_missing: true },
    ] {
        let decision = decide(&schema("player"), &Aggregate::default(), command, NOW_US).unwrap();
        let after = decision.after;
        assert_eq!(decision.change, Change::Created(after.state.clone()));
        assert_eq!((after.version, after.created_at_us), (1, NOW_US));
        assert_eq!(after.state.child("status"), Some(&"offline".into()));
        assert_eq!(after.state.get(&"position.z".parse().unwrap()), Some(&0.into()));
    }
}

#[test]
fn commands_are_refused_with_the_reason() {
    let absent = Aggregate::default();
    let level = |level: i32| map([("level", level.into())]);
    let merge = |patch| Command::Merge { patch, create_missing: false };
    let note = |kind: &str| Command::Note { kind: kind.to_owned(), data: Value::Null };
    let deep = (0..40).fold(Value::Null, |value, _| map([("inventory", value)]));
    for (aggregate, command, code) in [
        (player(), Command::Create { state: map([]) }, Code::AlreadyExists),
        (absent.clone(), merge(map([])), Code::NotFound),
        (
            absent.clone(),
            Command::Operate { operations: vec![set("level", 1)], create_missing: false },
            Code::NotFound,
        ),
        (
            absent.clone(),
            Command::Replace { state: map([]), create_missing: false },
            Code::NotFound,
        ),
        (absent, Command::Delete, Code::NotFound),
        (Aggregate::default(), Command::Create { state: 1.into() }, Code::InvalidArgument),
        (player(), merge(Value::Null), Code::InvalidArgument),
        (player(), merge(level(1_001)), Code::SchemaViolation),
        (player(), merge(map([("mana", 1.into())])), Code::SchemaViolation),
        (player(), merge(map([(&*"n".repeat(257), Value::Null)])), Code::SchemaViolation),
        (player(), merge(deep), Code::SchemaViolation),
        (player(), merge(map([("experience", 2_000_000.into())])), Code::ValidatorRefused),
        (
            player(),
            Command::Operate { operations: vec![], create_missing: false },
            Code::InvalidArgument,
        ),
        (
            player(),
            Command::Operate { operations: vec![set("level.x", 1)], create_missing: false },
            Code::OperationRefused,
        ),
        (player(), Command::RollBack { to_version: 2, state: None }, Code::OutOfHistory),
        (
            player(),
            Command::RollBack { to_version: 1, state: Some(level(0)) },
            Code::SchemaViolation,
        ),
        (player(), note(""), Code::InvalidArgument),
        (player(), note("merged"), Code::InvalidArgument),
        (player(), note("a\n"), Code::InvalidArgument),
        (player(), note(&"k".repeat(129)), Code::InvalidArgument),
    ] {
        let result = decide(&schema("player"), &aggregate, command.clone(), NOW_US);
        assert_eq!(result.unwrap_err().code, code, "{command:?}");
    }
}

#[test]
fn a_rollback_need_not_obey_the_rules_of_change() {
    let mut aggregate = player();
    let far = map([("x", 9_000_000.into())]);
    let state = map([("level", 1.into()), ("position", far)]);
    aggregate.version = 9;
    let command = Command::RollBack { to_version: 4, state: Some(state.clone()) };
    let decision = decide(&schema("player"), &aggregate, command, NOW_US).unwrap();
    assert_eq!(decision.after.state, state);
    assert_eq!(decision.after.version, 10);
}

#[test]
fn expectations_are_checked() {
    let absent = Aggregate::default();
    let deleted = decide(&schema("player"), &player(), Command::Delete, NOW_US).unwrap().after;
    for (expectation, aggregate, refused) in [
        (Expectation::Any, &absent, None),
        (Expectation::Version(0), &absent, None),
        (Expectation::Version(0), &deleted, None),
        (Expectation::Version(0), &player(), Some(Code::VersionConflict)),
        (Expectation::Version(1), &player(), None),
        (Expectation::Version(2), &player(), Some(Code::VersionConflict)),
        (Expectation::Version(2), &deleted, None),
        (Expectation::Version(1), &absent, Some(Code::VersionConflict)),
        (Expectation::MustExist, &player(), None),
        (Expectation::MustExist, &absent, Some(Code::NotFound)),
        (Expectation::MustExist, &deleted, Some(Code::NotFound)),
        (Expectation::NoEvents, &absent, None),
        (Expectation::NoEvents, &player(), Some(Code::VersionConflict)),
        (Expectation::MustNotExist, &absent, None),
        (Expectation::MustNotExist, &player(), Some(Code::AlreadyExists)),
    ] {
        let result = expectation.check(aggregate);
        assert_eq!(result.err().map(|error| error.code), refused, "{expectation:?}");
    }
    let error = Expectation::Version(7).check(&player()).unwrap_err();
    let facts = error.with_fact("", "").details;
    let fact = |key, value: &str| crate::Detail::Fact { key, value: value.to_owned() };
    assert_eq!(facts[..2], [fact("expectedVersion", "7"), fact("actualVersion", "1")]);
}

fn command() -> impl Strategy<Value = Command> {
    let operations = || proptest::collection::vec(arbitrary::operation(), 1..3);
    prop_oneof![
        arbitrary::state().prop_map(|state| Command::Create { state }),
        (arbitrary::state(), any::<bool>())
            .prop_map(|(patch, create_missing)| Command::Merge { patch, create_missing }),
        (operations(), any::<bool>()).prop_map(|(operations, create_missing)| Command::Operate {
            operations,
            create_missing
        }),
        (arbitrary::state(), any::<bool>())
            .prop_map(|(state, create_missing)| Command::Replace { state, create_missing }),
        Just(Command::Delete),
        (0..4_u64, proptest::option::of(arbitrary::state()))
            .prop_map(|(to_version, state)| Command::RollBack { to_version, state }),
        Just(Command::Note { kind: "quest".into(), data: Value::Null }),
    ]
}

fn operate(operations: Vec<Operation>) -> Command {
    Command::Operate { operations, create_missing: false }
}

fn moved_to(x: i32) -> Command {
    operate(vec![set("position.x", x)])
}

#[test]
fn an_allowance_is_one_for_all_changes_and_fills_up_again_with_time() {
    const SECOND_US: i64 = 1_000_000;
    let schema = schema("player");
    let mut player = player();
    let mut now_us = NOW_US;
    let mut make = |now_us: i64, command: Command| {
        let decided = decide(&schema, &player, command, now_us);
        decided.map(|decided| player = decided.after).map_err(|error| error.code)
    };
    // 1,000 m at once, in whatever steps.
    assert_eq!(make(now_us, moved_to(999)), Ok(()));
    assert_eq!(make(now_us, moved_to(1_998)), Err(Code::ValidatorRefused));
    assert_eq!(make(now_us, moved_to(1_000)), Ok(()));
    assert_eq!(make(now_us, moved_to(1_001)), Err(Code::ValidatorRefused));
    // A second is worth 1,000 m, and a change of something else takes none of it.
    now_us += SECOND_US;
    assert_eq!(make(now_us, operate(vec![set("health", 99)])), Ok(()));
    assert_eq!(make(now_us, Command::Note { kind: "k".into(), data: Value::Null }), Ok(()));
    assert_eq!(make(now_us, moved_to(2_001)), Err(Code::ValidatorRefused));
    assert_eq!(make(now_us, moved_to(2_000)), Ok(()));
    // Two seconds of rest count, and what they leave fills the allowance.
    now_us += 2 * SECOND_US;
    assert_eq!(make(now_us, operate(vec![set("health", 98)])), Ok(()));
    assert_eq!(make(now_us, moved_to(2_500)), Ok(()));
    assert_eq!(make(now_us, moved_to(3_500)), Ok(()));
    assert_eq!(make(now_us, moved_to(3_501)), Err(Code::ValidatorRefused));
    // Deleted and made anew, it is granted nothing anew.
    assert_eq!(make(now_us, Command::Delete), Ok(()));
    assert_eq!(make(now_us, Command::Create { state: Value::empty_map() }), Ok(()));
    assert_eq!(make(now_us, moved_to(1)), Err(Code::ValidatorRefused));
    // The clock is ahead for one change, then where it was: honest moves go on, a leap does not.
    let ahead_us = now_us + 3_600 * SECOND_US;
    assert_eq!(make(ahead_us, moved_to(1_000)), Ok(()));
    for step in 1..=5 {
        now_us += SECOND_US;
        assert_eq!(make(now_us, moved_to(50_000)), Err(Code::ValidatorRefused));
        assert_eq!(make(now_us, moved_to(1_000 + step * 900)), Ok(()), "step {step}");
    }
    // Another writer's clock is a little behind: that grants no time twice.
    assert_eq!(make(now_us - SECOND_US / 2, moved_to(6_500)), Ok(()));
    assert_eq!(make(now_us + SECOND_US / 2, moved_to(8_100)), Err(Code::ValidatorRefused));
}

#[test]
fn replacing_fills_defaults_as_creating_does() {
    let replace = Command::Replace { state: map([("level", 4.into())]), create_missing: false };
    let after = decide(&schema("player"), &player(), replace, NOW_US).unwrap().after;
    assert_eq!(after.state.child("status"), Some(&"offline".into()));
    assert_eq!(after.state.child("level"), Some(&4.into()));
}

/// A type that was declared anew over what was there.
fn declared_anew() -> (Schema, Aggregate) {
    let field = |path: &str, value, required, default| crate::document::Field {
        path: path.parse().unwrap(),
        description: String::new(),
        value,
        required,
        default,
        merge: crate::document::Merge::default(),
    };
    let whole = || crate::document::ValueSchema::Int { min: None, max: None };
    let schema = Schema::new(Declaration {
        fields: vec![
            field("kind", whole(), false, None),
            field("with.default", whole(), true, Some(7.into())),
            field("without", whole(), true, None),
        ],
        validators: vec![crate::document::Validator::Range {
            path: "ranged".parse().unwrap(),
            min: None,
            max: Some(100.0),
        }],
        ..anything().declaration().clone()
    })
    .unwrap();
    let state = map([("kind", "text".into()), ("ranged", 500.into())]);
    let there = Aggregate { state, version: 2, created_at_us: 1, ..Aggregate::default() };
    (schema, there)
}

#[test]
fn what_came_to_be_before_it_was_declared_otherwise_can_be_changed_and_repaired() {
    let (schema, there) = declared_anew();
    let with_default: crate::document::FieldPath = "with.default".parse().unwrap();
    let merge = |patch| Command::Merge { patch, create_missing: false };
    for command in [merge(map([("b", 1.into())])), operate(vec![set("b", 1)])] {
        let decided = decide(&schema, &there, command, NOW_US).unwrap();
        assert_eq!(decided.after.state.get(&with_default), Some(&7.into()));
        let mut folded = there.clone();
        folded.evolve(decided.change, NOW_US).unwrap();
        assert_eq!(folded.state, decided.after.state);
    }
    for repair in [set("kind", 1), set("ranged", 100), set("without", 1)] {
        assert!(decide(&schema, &there, operate(vec![repair]), NOW_US).is_ok());
    }
    assert!(decide(&schema, &there, Command::Delete, NOW_US).is_ok());
    // What a change itself makes wrong is refused as ever.
    let worse = Operation::Set { path: "kind".parse().unwrap(), value: "other".into() };
    for (wrong, code) in [
        (worse, Code::SchemaViolation),
        (set("ranged", 501), Code::ValidatorRefused),
        (Operation::Remove { path: with_default }, Code::SchemaViolation),
    ] {
        let (schema, mut there) = declared_anew();
        let given = decide(&schema, &there, operate(vec![set("b", 1)]), NOW_US).unwrap();
        there = given.after;
        let error = decide(&schema, &there, operate(vec![wrong]), NOW_US).unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
    let anew = Command::Create { state: map([("kind", 1.into())]) };
    let error = decide(&schema, &Aggregate::default(), anew, NOW_US).unwrap_err();
    assert_eq!(error.code, Code::SchemaViolation, "`without` is required of a new one");
}

#[test]
fn rolling_back_keeps_the_rules_about_states() {
    let (schema, _) = declared_anew();
    let state = map([("with", map([("default", 1.into())])), ("without", 1.into())]);
    let now = Aggregate { state, version: 3, created_at_us: 1, ..Aggregate::default() };
    let mut past = now.state.clone();
    set("ranged", 500).apply(&mut past).unwrap();
    let command = Command::RollBack { to_version: 1, state: Some(past) };
    let error = decide(&schema, &now, command, NOW_US).unwrap_err();
    assert_eq!(error.code, Code::ValidatorRefused);
}

proptest! {
    /// What is answered now is what a fold of the stored changes gives later.
    #[test]
    fn a_decision_is_what_the_fold_gives(commands in proptest::collection::vec(command(), 1..10)) {
        let (schema, mut folded) = (anything(), Aggregate::default());
        for (index, command) in commands.into_iter().enumerate() {
            let now_us = NOW_US + index as i64;
            let decided = decide(&schema, &folded, command, now_us);
            if let Ok(Decision { change, allowances, after }) = decided {
                folded.evolve(change, now_us).unwrap();
                folded.take_allowances(allowances);
                prop_assert_eq!(&folded, &after);
            }
        }
    }
}
