use proptest::prelude::*;

use super::*;
use crate::document::arbitrary;

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn list(items: &[Value]) -> Value {
    items.to_vec().into()
}

/// The table of RFC 7396, appendix A.
#[test]
fn patches_do_what_the_rfc_says() {
    let (null, text) = (|| Value::Null, |text: &str| Value::from(text));
    for (original, patch, expected) in [
        (map([("a", text("b"))]), map([("a", text("c"))]), map([("a", text("c"))])),
        (
            map([("a", text("b"))]),
            map([("b", text("c"))]),
            map([("a", text("b")), ("b", text("c"))]),
        ),
        (map([("a", text("b"))]), map([("a", null())]), map([])),
        (map([("a", text("b")), ("b", text("c"))]), map([("a", null())]), map([("b", text("c"))])),
        (map([("a", list(&[text("b")]))]), map([("a", text("c"))]), map([("a", text("c"))])),
        (
            map([("a", text("c"))]),
            map([("a", list(&[text("b")]))]),
            map([("a", list(&[text("b")]))]),
        ),
        (
            map([("a", map([("b", text("c"))]))]),
            map([("a", map([("b", text("d")), ("c", null())]))]),
            map([("a", map([("b", text("d"))]))]),
        ),
        (
            map([("a", list(&[map([("b", text("c"))])]))]),
            map([("a", list(&[1.into()]))]),
            map([("a", list(&[1.into()]))]),
        ),
        (
            list(&[text("a"), text("b")]),
            list(&[text("c"), text("d")]),
            list(&[text("c"), text("d")]),
        ),
        (map([("a", text("b"))]), list(&[text("c")]), list(&[text("c")])),
        (map([("a", text("foo"))]), null(), null()),
        (map([("a", text("foo"))]), text("bar"), text("bar")),
        (map([("e", null())]), map([("a", 1.into())]), map([("e", null()), ("a", 1.into())])),
        (
            list(&[1.into(), 2.into()]),
            map([("a", text("b")), ("c", null())]),
            map([("a", text("b"))]),
        ),
        (
            map([]),
            map([("a", map([("bb", map([("ccc", null())]))]))]),
            map([("a", map([("bb", map([]))]))]),
        ),
        (map([]), map([("a", list(&[null()]))]), map([("a", list(&[null()]))])),
    ] {
        let mut target = original.clone();
        merge_patch(&mut target, patch.clone());
        assert_eq!(target, expected, "{original:?} {patch:?}");
    }
}

/// The pseudo-code of RFC 7396, section 2, word for word.
fn reference(target: &Value, patch: &Value) -> Value {
    let Value::Map(patch) = patch else {
        return patch.clone();
    };
    let mut target = target.as_map().cloned().unwrap_or_default();
    for (name, value) in patch.iter() {
        if value.is_null() {
            target.remove(name);
        } else {
            let merged = reference(target.get(name).unwrap_or(&Value::Null), value);
            target.insert(name, merged);
        }
    }
    Value::Map(target)
}

proptest! {
    #[test]
    fn patches_are_as_the_reference(target in arbitrary::value(), patch in arbitrary::value()) {
        let mut merged = target.clone();
        merge_patch(&mut merged, patch.clone());
        prop_assert_eq!(merged, reference(&target, &patch));
    }

    #[test]
    fn a_patch_applied_twice_is_applied_once(target in arbitrary::value(), patch in arbitrary::value()) {
        let mut once = target;
        merge_patch(&mut once, patch.clone());
        let mut twice = once.clone();
        merge_patch(&mut twice, patch);
        prop_assert_eq!(once, twice);
    }
}
