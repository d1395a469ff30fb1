use proptest::prelude::*;

use super::{Path, Segment, Template};

#[test]
fn templates_are_parsed_or_refused() {
    let good = [
        ("/v1/{name=shelves/*/books/*}", "/v1/{name=shelves/*/books/*}"),
        ("/v1/{a.b_c}", "/v1/{a.b_c}"),
        ("/v1/{a=*}", "/v1/{a}"),
        ("/v1/{a=**}", "/v1/{a=**}"),
        ("/v1/**", "/v1/**"),
        ("/v1/*/x", "/v1/*/x"),
        ("/v1/{a}:do", "/v1/{a}:do"),
        ("/v1/a:b/c", "/v1/a%3Ab/c"),
        ("/v1/a:b", "/v1/a:b"),
        ("/v1/**:stat", "/v1/**:stat"),
        ("/v1/{a=x/**}:stat", "/v1/{a=x/**}:stat"),
        ("/v1/%C3%A9", "/v1/%C3%A9"),
        ("/v1/é", "/v1/%C3%A9"),
        ("/v1/{a}/{b=x/*}/{c}", "/v1/{a}/{b=x/*}/{c}"),
        ("/{a}", "/{a}"),
    ];
    for (text, shown) in good {
        match Template::parse(text) {
            Ok(template) => assert_eq!(template.to_string(), shown, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
    let bad = [
        ("", "begins with /"),
        ("v1", "begins with /"),
        ("/", "expected a segment"),
        ("/v1/", "expected a segment"),
        ("/v1//x", "expected a segment"),
        ("/v1/{", "the name of a field"),
        ("/v1/{}", "the name of a field"),
        ("/v1/{1a}", "the name of a field"),
        ("/v1/{a", "expected }"),
        ("/v1/{a.}", "the name of a field"),
        ("/v1/{a=}", "expected a segment"),
        ("/v1/{a={b}}", "no other variable"),
        ("/v1/{a}x", "expected / or the end"),
        ("/v1/x{a}", "expected / or the end"),
        ("/v1/**/x", "only at the end"),
        ("/v1/{a=**}/x", "only at the end"),
        ("/v1/***", "expected * or **"),
        ("/v1/a*", "expected / or the end"),
        ("/v1/{a}/{a}", "the same field"),
        ("/v1/{a}:", "expected a segment"),
        ("/v1/a b", "no white space"),
        ("/v1/a?b", "no white space, ? or #"),
        ("/v1/%zz", "two hexadecimal digits"),
        ("/v1/%ff", "UTF-8"),
        ("/v1/}", "expected a segment"),
    ];
    for (text, what) in bad {
        match Template::parse(text) {
            Ok(template) => panic!("{text} was read as {template:?}"),
            Err(error) => assert!(error.to_string().contains(what), "{text}: {error}"),
        }
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9._~é-]{1,8}", Just("*".to_owned()), Just("%2F%41".to_owned()),]
}

fn template() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => segment(),
        1 => ("[a-z]{3,6}", prop::collection::vec(segment(), 1..3))
            .prop_map(|(name, segments)| format!("{{{name}={}}}", segments.join("/"))),
        1 => "[a-z]{3,6}(\\.[a-z]{2,4})?".prop_map(|name| format!("{{{name}}}")),
    ];
    let tail = prop_oneof![
        3 => Just(String::new()),
        1 => Just("/**".to_owned()),
        1 => Just("/{rest=**}".to_owned()),
        1 => Just(":verb".to_owned()),
    ];
    (prop::collection::vec(part, 1..6), tail)
        .prop_map(|(parts, tail)| format!("/{}{tail}", parts.join("/")))
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}") {
        let _ = Template::parse(&text);
    }

    #[test]
    fn text_of_the_grammar_s_characters_is_parsed_or_refused(text in "/[a/{}=*:.%2F]{0,24}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
        }
    }

    #[test]
    fn a_template_is_read_as_it_is_shown(text in template()) {
        // Two variables may have come out with one name.
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
        }
    }

    #[test]
    fn any_path_is_split_and_put_together(raw in "/[a/%:.2Ff\\PC]{0,40}") {
        let path = Path::split(&raw).unwrap();
        let joined: String = (0..path.len()).map(|i| format!("/{}", path.segment(i))).collect();
        prop_assert_eq!(&joined, &raw);
        if let Some((bare, verb)) = path.without_verb() {
            let joined: String = (0..bare.len()).map(|i| format!("/{}", bare.segment(i))).collect();
            prop_assert_eq!(format!("{joined}:{verb}"), raw);
        }
    }

    /// What a client puts into a variable by the rules of http.proto comes out again.
    #[test]
    fn variables_come_out_as_they_went_in(value in "\\PC{1,20}") {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let template = Template::parse("/v1/{name}/x").unwrap();
        let raw = format!("/v1/{}/x", utf8_percent_encode(&value, NON_ALPHANUMERIC));
        let path = Path::split(&raw).unwrap();
        prop_assert_eq!(path.variable(&template.variables[0]).unwrap(), value);
    }

    #[test]
    fn decoding_never_panics(raw in "/[a/%2Fc3\\PC]{0,40}", rest in any::<bool>()) {
        let template = Template::parse(if rest { "/{a=**}" } else { "/{a}" }).unwrap();
        let path = Path::split(&raw).unwrap();
        let value = path.variable(&template.variables[0]);
        if template.segments[0] == Segment::Rest && !raw.contains('%') {
            prop_assert_eq!(value.as_deref(), raw.strip_prefix('/'));
        }
    }
}
