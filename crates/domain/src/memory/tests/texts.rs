use proptest::prelude::*;

use crate::memory::{Likeness, TOKENS_MAX, WordIndex, likeness, tokens};

#[test]
fn words_are_cut_by_porters_rules() {
    let cases = [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("cats", "cat"),
        ("agreed", "agre"),
        ("plastered", "plaster"),
        ("motoring", "motor"),
        ("hopping", "hop"),
        ("filing", "file"),
        ("happy", "happi"),
        ("relational", "relat"),
        ("vietnamization", "vietnam"),
        ("triplicate", "triplic"),
        ("goodness", "good"),
        ("adoption", "adopt"),
        ("probate", "probat"),
        ("controll", "control"),
        ("sky", "sky"),
    ];
    for (word, stem) in cases {
        assert_eq!(tokens(word), [stem], "{word}");
    }
}

#[test]
fn text_is_parted_into_words() {
    let cases: [(&str, &[&str]); 8] = [
        ("", &[]),
        ("the of and", &[]),
        ("multi-agent", &["multi", "agent"]),
        ("a'b", &["ab"]),
        ("  \u{0} \t", &[]),
        ("2024_123 v2", &["2024", "123", "v2"]),
        ("ÄRGER", &["ärger"]),
        ("剑客来", &["剑", "客", "剑客", "来", "客来"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text), expected, "{text:?}");
    }
    assert_eq!(tokens(&"a1 ".repeat(TOKENS_MAX * 2)).len(), TOKENS_MAX);
}

/// A word of two characters in a text without spaces is found.
#[test]
fn chinese_words_are_found() {
    let mut index = WordIndex::default();
    index.insert(1, "昨天在客栈遇见了剑客");
    index.insert(2, "今天下雨");
    let found = WordIndex::search(&[&index], "剑客").scores;
    assert_eq!(found[0].keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn what_looks_like_syntax_is_text() {
    let mut index = WordIndex::default();
    index.insert(1, "a multi-agent system");
    for question in
        ["multi-agent", "\"multi\" OR", "multi*", "NEAR(multi agent)", "multi AND (", "--"]
    {
        let found = WordIndex::search(&[&index], question).scores;
        assert_eq!(found[0].is_empty(), question == "--", "{question}");
    }
}

#[test]
fn a_rare_word_counts_more_and_a_long_text_less() {
    let mut index = WordIndex::default();
    index.insert(1, "the dragon sleeps");
    index.insert(2, "the merchant sleeps");
    index.insert(3, "the guard sleeps and the guard eats and drinks and sings all day long");
    let found = &WordIndex::search(&[&index], "sleeping dragon").scores[0];
    assert!(found[&1] > found[&2] && found[&2] > found[&3], "{found:?}");
}

#[test]
fn numbers_and_contradictions_are_no_duplicates() {
    use Likeness::{Conflict, Different, Same};
    let cases = [
        ("the deadline is 15 October", "the deadline is 16 October", Some(0.991), Conflict),
        ("HQ is in San Francisco", "HQ is in New York", Some(0.98), Conflict),
        ("the guard is asleep", "the guard is not asleep", Some(0.99), Conflict),
        ("he can swim", "he can't swim", Some(0.99), Conflict),
        ("the guard sleeps", "the guard is sleeping", Some(0.99), Same),
        ("the guard sleeps", "the old guard sleeps", Some(0.98), Same),
        ("the guard sleeps", "the guard sleeps", None, Same),
        ("the guard sleeps", "the old guard sleeps", Some(0.9), Different),
        ("the guard sleeps", "a dragon burns the town", None, Different),
    ];
    for (a, b, cosine, expected) in cases {
        assert_eq!(likeness(a, b, cosine), expected, "{a} / {b}");
        assert_eq!(likeness(b, a, cosine), expected, "{b} / {a}");
    }
}

proptest! {
    /// Whatever came and went, the index is as if only what is there had ever been taken in.
    #[test]
    fn removed_texts_leave_nothing(
        steps in proptest::collection::vec((0..8_u32, "[abc ]{0,12}", any::<bool>()), 0..40),
        question in "[abc ]{0,8}",
    ) {
        let mut texts = std::collections::BTreeMap::<u32, String>::new();
        let mut index = WordIndex::default();
        for (number, text, stays) in steps {
            if let Some(old) = texts.remove(&number) {
                index.remove(number, &old);
            }
            if stays {
                index.insert(number, &text);
                texts.insert(number, text);
            }
        }
        let mut fresh = WordIndex::default();
        for (number, text) in &texts {
            fresh.insert(*number, text);
        }
        prop_assert_eq!(
            WordIndex::search(&[&index], &question), WordIndex::search(&[&fresh], &question)
        );
        prop_assert_eq!(index.size_bytes(), fresh.size_bytes());
    }

    #[test]
    fn any_text_has_tokens(text in "\\PC{0,200}") {
        for token in tokens(&text) {
            prop_assert!(!token.is_empty());
        }
    }
}
