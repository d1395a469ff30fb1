use proptest::prelude::*;

use super::*;
use crate::Code;

#[test]
fn types_are_plain_words() {
    let longest = "a".repeat(64);
    for text in ["player", "a", "my_type-2", &longest] {
        assert_eq!(text.parse::<AggregateType>().unwrap().as_str(), text);
    }
    let too_long = "a".repeat(65);
    for text in ["", "Player", "2d", "_a", "-a", "a b", "a/b", "a.b", "é", "a\0", &too_long] {
        let error = text.parse::<AggregateType>().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{text}");
        assert!(error.message.contains("accepts 1 to 64"), "{error}");
    }
}

#[test]
fn ids_are_any_visible_text() {
    let longest = "é".repeat(128);
    for text in ["42", "a/b", "a b", "🎮🕹", "لاعب", "a\u{200d}b", "..", &longest] {
        assert_eq!(text.parse::<AggregateId>().unwrap().as_str(), text);
    }
    let (too_long, huge) = ("é".repeat(129), "x".repeat(4_096));
    for text in
        ["", " ", " a", "a ", "\u{3000}a", "a\0", "a\n", "\u{7f}", "a\u{85}", &too_long, &huge]
    {
        let error = text.parse::<AggregateId>().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{text:?}");
        assert!(error.message.contains("accepts 1 to 256 bytes"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_id_or_refused(text in ".{0,300}") {
        if let Ok(id) = text.parse::<AggregateId>() {
            prop_assert_eq!(id.as_str(), &text);
        }
    }
}
