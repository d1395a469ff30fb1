//! JSON text on its way into `jsonb` and back.

use std::borrow::Cow;

/// `jsonb` keeps no NUL: its escape becomes that of the replacement character.
pub(crate) fn storable(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u0000") {
        return Cow::Borrowed(json);
    }
    let mut stored = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        // A backslash escapes what follows it, another backslash too.
        let length = if rest[at..].starts_with("\\u0000") { 6 } else { 2 };
        let (before, escape) = rest.split_at(at);
        let (escape, after) = escape.split_at(length.min(escape.len()));
        stored.push_str(before);
        stored.push_str(if length == 6 { "\\ufffd" } else { escape });
        rest = after;
    }
    stored.push_str(rest);
    Cow::Owned(stored)
}

/// `jsonb` is shown with a space after each colon and comma; documents here have none.
pub(crate) fn compact(shown: &str) -> String {
    let mut compact = String::with_capacity(shown.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in shown.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character == '"' {
            in_text = true;
        } else if character == ' ' {
            continue;
        }
        compact.push(character);
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_and_nothing_else() {
        let cases = [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#""\u0000""#, r#""\ufffd""#),
            (r#""x\u0000\u0000é""#, r#""x\ufffd\ufffdé""#),
            (r#""\\u0000""#, r#""\\u0000""#),
            (r#""\\\u0000\n""#, r#""\\\ufffd\n""#),
            (r#"["\"","\u0000"]"#, r#"["\"","\ufffd"]"#),
        ];
        for (json, stored) in cases {
            assert_eq!(storable(json), stored);
        }
    }

    #[test]
    fn spaces_stay_only_in_texts() {
        let cases = [
            (r#"{"a": [1, 2], "b c": "d, e: f"}"#, r#"{"a":[1,2],"b c":"d, e: f"}"#),
            (r#"["\" , ", "\\", " x"]"#, r#"["\" , ","\\"," x"]"#),
            ("[]", "[]"),
        ];
        for (shown, expected) in cases {
            assert_eq!(compact(shown), expected);
        }
    }
}
