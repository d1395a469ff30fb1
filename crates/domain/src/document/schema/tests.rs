use super::*;
use crate::document::limits::INT_ABS_MAX;
use crate::document::{Map, Number};
use crate::{Code, Detail, Error};

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

fn field(at: &str, value: ValueSchema) -> Field {
    Field {
        path: path(at),
        description: String::new(),
        value,
        required: false,
        default: None,
        merge: Merge::default(),
    }
}

fn declaration(fields: Vec<Field>, validators: Vec<Validator>) -> Declaration {
    Declaration {
        type_name: "thing".parse().unwrap(),
        description: String::new(),
        fields,
        open: false,
        validators,
        builtin: false,
    }
}

fn int(min: i64, max: i64) -> ValueSchema {
    ValueSchema::Int { min: Some(min), max: Some(max) }
}

fn float() -> ValueSchema {
    ValueSchema::Float { min: None, max: None }
}

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn fact<'a>(error: &'a Error, wanted: &str) -> &'a str {
    let value = |detail: &'a Detail| match detail {
        Detail::Fact { key, value } if *key == wanted => Some(value.as_str()),
        _ => None,
    };
    error.details.iter().find_map(value).unwrap_or("(no such fact)")
}

#[test]
fn a_state_has_the_declared_shape() {
    let texts = ValueSchema::Text { bytes_max: Some(3), one_of: vec![] };
    let choice = ValueSchema::Text { bytes_max: None, one_of: vec!["on".into(), "off".into()] };
    let list = ValueSchema::List { of: Some(Box::new(int(0, 9))), length_max: Some(2) };
    let bag = ValueSchema::Map { of: Some(Box::new(int(0, 9))), length_max: Some(2) };
    let schema = Schema::new(declaration(
        vec![
            field("b", ValueSchema::Bool),
            field("n", int(1, 10)),
            field("f", ValueSchema::Float { min: Some(0.5), max: None }),
            field("t", texts),
            field("c", choice),
            field("at", ValueSchema::Timestamp),
            field("l", list),
            field("m", bag),
            field("m.gold", int(0, 99)),
            field("any", ValueSchema::Any),
            field("p.x", float()),
        ],
        vec![],
    ))
    .unwrap();
    let half = Value::number(0.5).unwrap();
    for good in [
        map([]),
        map([("n", Value::Null)]),
        map([("b", true.into()), ("n", 1.into()), ("f", half.clone()), ("t", "é".into())]),
        map([("f", 1.into()), ("c", "on".into()), ("at", "2026-11-21T06:44:52Z".into())]),
        map([
            ("l", vec![0.into(), 9.into()].into()),
            ("m", map([("gold", 99.into()), ("x", 9.into())])),
        ]),
        map([("any", map([("x", vec![Value::Null].into())])), ("p", map([("x", half.clone())]))]),
        map([("p", Value::Null)]),
    ] {
        assert_eq!(schema.check_shape(&good), Ok(()), "{good:?}");
    }
    for (bad, at, bound) in [
        (map([("b", 1.into())]), "b", "true or false"),
        (map([("n", 0.into())]), "n", "1"),
        (map([("n", 11.into())]), "n", "10"),
        (map([("n", half)]), "n", "a whole number"),
        (map([("f", 0.into())]), "f", "0.5"),
        (map([("t", "four".into())]), "t", "3"),
        (map([("c", "dim".into())]), "c", "on, off"),
        (
            map([("at", "yesterday".into())]),
            "at",
            "an instant as RFC 3339 text, such as 2026-11-21T06:44:52Z",
        ),
        (map([("l", vec![0.into(), 10.into()].into())]), "l.1", "9"),
        (map([("l", vec![Value::Null].into())]), "l.0", "a whole number"),
        (map([("l", vec![0.into(); 3].into())]), "l", "2"),
        (map([("m", map([("x", 10.into())]))]), "m.x", "9"),
        (map([("m", map([("gold", 100.into())]))]), "m.gold", "99"),
        (map([("m", map([("a", 1.into()), ("b", 1.into()), ("c", 1.into())]))]), "m", "2"),
        (map([("p", 1.into())]), "p", ""),
        (map([("p", map([("y", 1.into())]))]), "p.y", "x"),
        (map([("boss.kills", 1.into())]), "\"boss.kills\"", "any, at, b, c, f, l, m, n, p, t"),
        (Value::Null, "", ""),
    ] {
        let error = schema.check_shape(&bad).unwrap_err();
        assert_eq!(error.code, Code::SchemaViolation);
        assert_eq!((fact(&error, "field"), fact(&error, "bound")), (at, bound), "{error}");
    }
}

#[test]
fn all_violations_are_named_up_to_a_bound() {
    let schema = Schema::new(declaration(vec![field("n", int(0, 1))], vec![])).unwrap();
    let error = schema.check_shape(&map([("n", 2.into()), ("x", 1.into())])).unwrap_err();
    assert_eq!(error.message, "n: accepts 0 to 1 (and 1 more)");
    let fields = |error: &Error| {
        error.details.iter().filter(|detail| matches!(detail, Detail::Field { .. })).count()
    };
    assert_eq!(fields(&error), 2);
    let many = Map::from_iter((0..100).map(|n| (format!("x{n}"), n)));
    let error = schema.check_shape(&many.into()).unwrap_err();
    assert_eq!(fields(&error), 16);
    assert!(error.message.ends_with("(and 99 more)"), "{error}");
}

#[test]
fn an_open_type_takes_fields_that_it_does_not_declare() {
    let open = Declaration { open: true, ..declaration(vec![field("p.x", float())], vec![]) };
    let schema = Schema::new(open).unwrap();
    let state = map([("new", 1.into()), ("p", map([("y", "z".into())]))]);
    assert_eq!(schema.check_shape(&state), Ok(()));
    assert!(schema.check_shape(&map([("p", map([("x", "z".into())]))])).is_err());
}

#[test]
fn required_fields_are_there_and_defaults_are_filled() {
    let fields = vec![
        Field { required: true, ..field("a.b", int(0, 9)) },
        Field { default: Some(7.into()), ..field("a.c", int(0, 9)) },
    ];
    let schema = Schema::new(declaration(fields, vec![])).unwrap();
    let mut state = map([("a", map([("b", Value::Null)]))]);
    schema.fill_defaults(&mut state);
    assert_eq!(state, map([("a", map([("b", Value::Null), ("c", 7.into())]))]));
    let error = schema.check_shape(&state).unwrap_err();
    assert_eq!(error.message, "a.b: is required");
    let mut state = map([("a", map([("b", 1.into()), ("c", 2.into())]))]);
    let before = state.clone();
    schema.fill_defaults(&mut state);
    assert_eq!(state, before);
    assert_eq!(schema.check_shape(&state), Ok(()));
}

#[test]
fn declarations_that_contradict_themselves_are_refused() {
    let text = |bytes_max, one_of: &str| ValueSchema::Text {
        bytes_max: Some(bytes_max),
        one_of: vec![one_of.to_owned()],
    };
    let nested = (0..40).fold(ValueSchema::Any, |of, _| ValueSchema::List {
        of: Some(Box::new(of)),
        length_max: None,
    });
    let with = |validator| {
        declaration(vec![field("n", int(0, 9)), field("t", text(9, "a"))], vec![validator])
    };
    let rate = |per_second_max, burst| Validator::RateOfChange {
        path: path("n"),
        per_second_max,
        burst,
        increase_only: false,
    };
    for (why, bad) in [
        ("twice", declaration(vec![field("a", float()), field("a", float())], vec![])),
        ("below a number", declaration(vec![field("a", float()), field("a.b", float())], vec![])),
        ("crossed", declaration(vec![field("a", int(2, 1))], vec![])),
        ("inexact", declaration(vec![field("a", int(0, INT_ABS_MAX + 1))], vec![])),
        (
            "not finite",
            declaration(
                vec![field("a", ValueSchema::Float { min: Some(f64::NAN), max: None })],
                vec![],
            ),
        ),
        ("too long a choice", declaration(vec![field("a", text(2, "abc"))], vec![])),
        ("too deep", declaration(vec![field("a", nested)], vec![])),
        (
            "default out of bounds",
            declaration(vec![Field { default: Some(3.into()), ..field("a", int(0, 2)) }], vec![]),
        ),
        (
            "too many",
            declaration((0..257).map(|n| field(&format!("f{n}"), float())).collect(), vec![]),
        ),
        ("no such field", with(Validator::Monotonic { path: path("x") })),
        ("not a number", with(Validator::Monotonic { path: path("t") })),
        ("not a text", with(Validator::Transition { path: path("n"), allowed: vec![] })),
        ("no steps", with(Validator::Transition { path: path("t"), allowed: vec![] })),
        ("no rate", with(rate(0.0, 0.0))),
        ("negative burst", with(rate(1.0, -1.0))),
        ("endless rate", with(rate(f64::INFINITY, 0.0))),
        (
            "one coordinate",
            with(Validator::PositionSpeed {
                paths: vec![path("n")],
                units_per_second_max: 1.0,
                tolerance_units: 0.0,
            }),
        ),
        (
            "nothing conserved",
            with(Validator::Conserved { quantity: String::new(), paths: vec![] }),
        ),
        (
            "crossed range",
            with(Validator::Range { path: path("n"), min: Some(1.0), max: Some(0.0) }),
        ),
        (
            "too many rules",
            declaration(
                vec![field("n", int(0, 9))],
                vec![Validator::Monotonic { path: path("n") }; 65],
            ),
        ),
    ] {
        assert_eq!(Schema::new(bad).unwrap_err().code, Code::InvalidArgument, "{why}");
    }
    assert!(Schema::new(with(rate(1.0, 0.0))).is_ok());
}

fn ruled(validator: Validator) -> Schema {
    let text = ValueSchema::Text { bytes_max: None, one_of: vec![] };
    let fields = vec![
        field("n", ValueSchema::Any),
        field("t", text),
        field("p.x", float()),
        field("p.y", float()),
        field("bag", ValueSchema::Map { of: None, length_max: None }),
    ];
    Schema::new(declaration(fields, vec![validator])).unwrap()
}

#[test]
fn validators_refuse_with_field_value_and_bound() {
    let n = |number: f64| map([("n", Number::new(number).unwrap().into())]);
    let t = |text: &str| map([("t", text.into())]);
    let nt = |n: &str, t: &str| map([("n", n.into()), ("t", t.into())]);
    let p = |x: i32, y: i32| map([("p", map([("x", x.into()), ("y", y.into())]))]);
    let range = Validator::Range { path: path("n"), min: Some(0.0), max: Some(10.0) };
    let rate = |increase_only| Validator::RateOfChange {
        path: path("n"),
        per_second_max: 2.0,
        burst: 1.0,
        increase_only,
    };
    let speed = Validator::PositionSpeed {
        paths: vec![path("p.x"), path("p.y")],
        units_per_second_max: 2.0,
        tolerance_units: 1.0,
    };
    let immutable = Validator::Immutable { path: path("t") };
    let monotonic = Validator::Monotonic { path: path("n") };
    let steps = Validator::Transition {
        path: path("t"),
        allowed: vec![("a".into(), "b".into()), ("a".into(), "c".into())],
    };
    let second = 1_000_000;
    for (validator, before, after, elapsed_us, refused) in [
        (&range, Value::Null, n(10.0), 0, None),
        (&range, Value::Null, n(10.5), 0, Some(("n", "10.5", "10"))),
        (&range, n(5.0), n(-1.0), 0, Some(("n", "-1", "0"))),
        (&range, n(5.0), map([]), 0, None),
        (&rate(false), n(0.0), n(5.0), 2 * second, None),
        (&rate(false), n(0.0), n(5.5), 2 * second, Some(("n", "5.5", "5"))),
        (&rate(false), n(0.0), n(-5.5), 2 * second, Some(("n", "5.5", "5"))),
        (&rate(true), n(0.0), n(-99.0), 0, None),
        (&rate(true), n(0.0), n(1.5), 0, Some(("n", "1.5", "1"))),
        (&rate(true), n(0.0), n(1.5), -second / 2, Some(("n", "1.5", "1"))),
        (&rate(true), map([]), n(1e6), 0, None),
        (&rate(true), n(1.0), map([]), 0, Some(("n", "null", "1"))),
        // It came to be before the rule did: a change elsewhere is none of its business.
        (&rate(true), nt("x", "a"), nt("x", "b"), 0, None),
        (&rate(true), nt("x", "a"), nt("y", "a"), 0, Some(("n", "\"y\"", "a number"))),
        (&speed, p(0, 0), p(3, 4), 2 * second, None),
        (&speed, p(0, 0), p(6, 8), 2 * second, Some(("p.x", "10", "5"))),
        (&speed, Value::Null, p(6, 8), 0, None),
        (&speed, p(0, 0), map([]), 0, Some(("p.x", "null", "0"))),
        (&immutable, map([]), t("a"), 0, None),
        (&immutable, t("a"), t("a"), 0, None),
        (&immutable, t("a"), t("b"), 0, Some(("t", "\"b\"", "\"a\""))),
        (&immutable, t("a"), map([]), 0, Some(("t", "null", "\"a\""))),
        (&monotonic, n(1.0), n(1.0), 0, None),
        (&monotonic, n(1.0), n(0.5), 0, Some(("n", "0.5", "1"))),
        (&monotonic, n(1.0), map([("n", Value::Null)]), 0, Some(("n", "null", "1"))),
        (&steps, Value::Null, t("z"), 0, None),
        (&steps, t("a"), t("a"), 0, None),
        (&steps, t("a"), t("c"), 0, None),
        (&steps, t("a"), t("d"), 0, Some(("t", "\"d\"", "b, c"))),
        (&steps, t("b"), t("a"), 0, Some(("t", "\"a\"", "nothing"))),
    ] {
        let rates = Rates { allowances: &[], since_us: 0, now_us: elapsed_us };
        let result = ruled(validator.clone()).check(&before, &after, &rates).map(drop);
        let Some((at, value, bound)) = refused else {
            assert_eq!(result, Ok(()), "{validator:?} {before:?} {after:?}");
            continue;
        };
        let error = result.unwrap_err();
        assert_eq!(error.code, Code::ValidatorRefused, "{error}");
        let facts = ["field", "value", "bound", "validator"].map(|key| fact(&error, key));
        assert_eq!(facts, [at, value, bound, validator.name()], "{error}");
        assert!(matches!(&error.details[0], Detail::Field { field, .. } if field == at));
    }
}

#[test]
fn a_transaction_keeps_conserved_sums() {
    let rule = |quantity: &str, at: &str| Validator::Conserved {
        quantity: quantity.into(),
        paths: vec![path(at)],
    };
    let (single, bags) = (ruled(rule("", "n")), ruled(rule("", "bag")));
    let other = Declaration {
        type_name: "guild".parse().unwrap(),
        ..declaration(vec![field("bank", int(0, 99))], vec![rule("gold", "bank")])
    };
    let (named, guild) = (ruled(rule("gold", "n")), Schema::new(other).unwrap());
    let n = |number: i32| map([("n", number.into())]);
    let bank = |number: i32| map([("bank", number.into())]);
    let bag =
        |gold: i32, gems: i32| map([("bag", map([("gold", gold.into()), ("gems", gems.into())]))]);
    let half = || map([("n", Value::number(0.5).unwrap())]);
    let halves = |gold: i32| {
        let gems = Value::number(0.5).unwrap();
        map([("bag", map([("gold", gold.into()), ("gems", gems)]))])
    };
    for (parts, refused) in [
        (vec![(&single, n(5), n(5))], None),
        (vec![(&single, n(5), n(3)), (&single, n(0), n(2))], None),
        (vec![(&single, n(5), n(3))], Some(("n", "3", "5"))),
        (vec![(&single, n(5), n(3)), (&single, Value::Null, n(2))], None),
        (vec![(&single, Value::Null, n(2))], Some(("n", "2", "0"))),
        (vec![(&single, n(2), Value::Null)], Some(("n", "0", "2"))),
        (vec![(&single, n(2), half())], Some(("n", "0.5", "a whole number"))),
        (vec![(&bags, bag(1, 2), bag(0, 2)), (&bags, bag(0, 0), bag(1, 0))], None),
        (vec![(&bags, bag(1, 2), bag(2, 1))], Some(("bag", "1", "2"))),
        (vec![(&named, n(5), n(3)), (&guild, bank(0), bank(2))], None),
        (vec![(&named, n(5), n(3)), (&guild, bank(0), bank(1))], Some(("n", "4", "5"))),
        (vec![(&single, n(5), n(3)), (&guild, bank(0), bank(2))], Some(("bank", "2", "0"))),
        (vec![(&guild, bank(2), map([]))], Some(("bank", "0", "2"))),
        // No whole number when the sum was declared: it stays, goes, or becomes one.
        (vec![(&single, half(), half())], None),
        (vec![(&single, half(), Value::Null)], None),
        (vec![(&single, half(), n(3))], None),
        (
            vec![(&single, half(), map([("n", Value::number(1.5).unwrap())]))],
            Some(("n", "1.5", "a whole number")),
        ),
        (vec![(&bags, halves(1), halves(1))], None),
        (vec![(&bags, halves(1), halves(2))], Some(("bag", "2", "1"))),
        (vec![(&bags, halves(1), bag(1, 7))], None),
    ] {
        let view: Vec<_> =
            parts.iter().map(|(schema, before, after)| Part { schema, before, after }).collect();
        let result = check_conserved(view);
        let Some((at, value, bound)) = refused else {
            assert_eq!(result, Ok(()), "{parts:?}");
            continue;
        };
        let error = result.unwrap_err();
        let facts = ["field", "value", "bound", "validator"].map(|key| fact(&error, key));
        assert_eq!(facts, [at, value, bound, "conserved"], "{error}");
    }
}
