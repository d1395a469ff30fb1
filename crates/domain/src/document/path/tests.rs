use proptest::prelude::*;

use super::*;
use crate::Code;
use crate::document::arbitrary;

fn names(path: &FieldPath) -> Vec<String> {
    path.segments().map(Cow::into_owned).collect()
}

#[test]
fn paths_are_read_and_written() {
    for (text, canonical, expected) in [
        ("level", "level", vec!["level"]),
        ("inventory.gold", "inventory.gold", vec!["inventory", "gold"]),
        ("items.3.id", "items.3.id", vec!["items", "3", "id"]),
        (r#"stats."boss.kills""#, r#"stats."boss.kills""#, vec!["stats", "boss.kills"]),
        (r#""level"."x-1""#, "level.x-1", vec!["level", "x-1"]),
        (r#""a\"b\\c".d"#, r#""a\"b\\c".d"#, vec![r#"a"b\c"#, "d"]),
        (r#""""#, r#""""#, vec![""]),
        ("Größe.الاسم", "Größe.الاسم", vec!["Größe", "الاسم"]),
    ] {
        let path: FieldPath = text.parse().unwrap();
        assert_eq!(path.as_str(), canonical);
        assert_eq!(names(&path), expected, "{text}");
        assert_eq!(canonical.parse::<FieldPath>().unwrap(), path);
        for name in ["", "l", "level", "level.x-1", "inventory", r#"a"b\c"#, "Größe", "Gr"] {
            assert_eq!(path.begins_with(name), expected[0] == name, "{text} {name}");
        }
    }
}

#[test]
fn what_is_no_path_is_refused_with_what_is_accepted() {
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    let deep = vec!["a"; VALUE_DEPTH_MAX + 1].join(".");
    let huge = "x".repeat(1 << 20);
    for text in [
        "", ".", "a.", ".a", "a..b", "a b", "a.\"b", "\"a\"b", "a\"b\"", r#""a\n""#, "a:b", "a[0]",
        "\0", "☠", &long, &deep, &huge,
    ] {
        let error = text.parse::<FieldPath>().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("accepts"), "{error}");
    }
    let deepest = vec!["a"; VALUE_DEPTH_MAX].join(".");
    assert!(deepest.parse::<FieldPath>().is_ok());
    assert!(long[1..].parse::<FieldPath>().is_ok());
}

#[test]
fn a_path_covers_what_lies_below() {
    for (above, below, expected) in [
        ("a", "a", true),
        ("a", "a.b", true),
        ("a", "ab", false),
        ("a.b", "a", false),
        (r#""a""#, "a.b.c", true),
        (r#""a.b""#, "a.b", false),
    ] {
        let path = |text: &str| text.parse::<FieldPath>().unwrap();
        assert_eq!(path(above).covers(&path(below)), expected, "{above} {below}");
    }
}

#[test]
fn only_plain_numbers_are_indexes() {
    for (name, expected) in [
        ("0", Some(0)),
        ("10", Some(10)),
        ("01", None),
        ("+1", None),
        ("-1", None),
        ("", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(index(name), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        expected in proptest::collection::vec(prop_oneof![arbitrary::name(), ".{0,8}"], 1..6),
    ) {
        let path = FieldPath::from_names(expected.iter().map(String::as_str)).unwrap();
        prop_assert_eq!(&names(&path), &expected);
        prop_assert_eq!(path.as_str().parse::<FieldPath>().unwrap(), path);
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![".{0,20}", "[a.\"\\\\0]{0,12}"]) {
        if let Ok(path) = text.parse::<FieldPath>() {
            prop_assert!(path.segments().count() >= 1);
            prop_assert_eq!(path.as_str().parse::<FieldPath>().unwrap(), path);
        }
    }
}
