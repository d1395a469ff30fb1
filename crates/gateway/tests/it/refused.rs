//! JSON bodies that are refused.

use super::cases::{Case, no, run};
use super::world::World;

const CASES: &[Case] = &[
    // What is not JSON.
    no("POST /v1/echo", "{", 400, "MALFORMED_BODY", "at byte 1"),
    no("POST /v1/echo", "nope", 400, "MALFORMED_BODY", "at byte 0"),
    no(
        "POST /v1/echo",
        "{} {}",
        400,
        "MALFORMED_BODY",
        "at byte 3: expected the end of the JSON text",
    ),
    no("POST /v1/echo", r#"{"id": "a",}"#, 400, "MALFORMED_BODY", "a key in double quotes"),
    no("POST /v1/echo", r#"{id: "a"}"#, 400, "MALFORMED_BODY", "at byte 1"),
    no("POST /v1/echo", r#"{"id" "a"}"#, 400, "MALFORMED_BODY", "expected ':'"),
    no("POST /v1/echo", r#"{"id": 'a'}"#, 400, "MALFORMED_BODY", "expected a value"),
    no(
        "POST /v1/echo",
        "{\"id\": \"a\nb\"}",
        400,
        "MALFORMED_BODY",
        "control characters are escaped",
    ),
    no("POST /v1/echo", r#"{"id": "\x"}"#, 400, "MALFORMED_BODY", "an escape that JSON has"),
    no("POST /v1/echo", r#"{"id": "\ud800"}"#, 400, "MALFORMED_BODY", "at byte"),
    no("POST /v1/echo", r#"{"id": "\udc00\ud800"}"#, 400, "MALFORMED_BODY", "surrogate"),
    no("POST /v1/echo", r#"{"numbers": [1,]}"#, 400, "MALFORMED_BODY", "expected a value"),
    no("POST /v1/echo", r#"{"numbers": [1 2]}"#, 400, "MALFORMED_BODY", "',' or ']'"),
    no("POST /v1/echo", r#"{"maybe": 01}"#, 400, "MALFORMED_BODY", "',' or '}'"),
    no("POST /v1/echo", r#"{"maybe": 1.}"#, 400, "MALFORMED_BODY", "a number"),
    no("POST /v1/echo", r#"{"maybe": +1}"#, 400, "MALFORMED_BODY", "a value"),
    no("POST /v1/echo", r#"{"scalars": {"d": NaN}}"#, 400, "MALFORMED_BODY", "a value"),
    no("POST /v1/echo", r#"{"scalars": {"d": Infinity}}"#, 400, "MALFORMED_BODY", "a value"),
    // What is no such message.
    no(
        "POST /v1/echo",
        r#"{"nope": 1}"#,
        400,
        "MALFORMED_BODY",
        "nope: is not a field of foreign.v1.Everything",
    ),
    no(
        "POST /v1/echo",
        r#"{"child": {"scalarsList": [{}, {"nope": 1}]}}"#,
        400,
        "MALFORMED_BODY",
        "child.scalarsList[1].nope: is not a field of foreign.v1.Scalars",
    ),
    no("POST /v1/echo", r#"{"id": "a", "id": "b"}"#, 400, "MALFORMED_BODY", "id: is given twice"),
    no(
        "POST /v1/echo",
        r#"{"w_int64": 1, "wInt64": 2}"#,
        400,
        "MALFORMED_BODY",
        "wInt64: is given twice",
    ),
    no(
        "POST /v1/echo",
        r#"{"counts": {"a": 1, "a": 2}}"#,
        400,
        "MALFORMED_BODY",
        "counts.a: is given twice",
    ),
    no(
        "POST /v1/echo",
        r#"{"data": {"a": {"b": 1, "b": 2}}}"#,
        400,
        "MALFORMED_BODY",
        "data.a.b: is given twice",
    ),
    no(
        "POST /v1/echo",
        r#"{"choiceText": "a", "choiceNumber": 1}"#,
        400,
        "MALFORMED_BODY",
        "choiceNumber: is given beside choiceText, and only one of the oneof choice may be",
    ),
    no("POST /v1/echo", "[]", 400, "MALFORMED_BODY", "the body is a list, expected an object"),
    no(
        "POST /v1/things:activate",
        r#"{"nmae": "x"}"#,
        400,
        "MALFORMED_BODY",
        "nmae: is not a field of foreign.v1.Named: name, view, pageSize",
    ),
    no("POST /v1/echo", "null", 400, "MALFORMED_BODY", "the body is null, expected an object"),
    no("DELETE /v1/echo/a", r#"{"id": "a"}"#, 400, "MALFORMED_BODY", "takes no body"),
    no(
        "POST /v1/echo/a/numbers",
        "{}",
        400,
        "INVALID_ARGUMENT",
        "numbers: is an object, expected a list",
    ),
    // What the field does not take.
    no(
        "POST /v1/echo",
        r#"{"maybe": 2147483648}"#,
        400,
        "INVALID_ARGUMENT",
        "maybe: \"2147483648\" is not accepted: an integer from -2147483648 to 2147483647",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"u32": -1}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.u32: \"-1\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"u64": "18446744073709551616"}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.u64: \"18446744073709551616\" is not accepted: an integer from 0 to 18446744073709551615",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"i64": 1e19}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.i64: \"1e19\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"numbers": [1, 1.5]}"#,
        400,
        "INVALID_ARGUMENT",
        "numbers[1]: \"1.5\" is not accepted",
    ),
    no("POST /v1/echo", r#"{"numbers": [null]}"#, 400, "INVALID_ARGUMENT", "numbers[0]: is null"),
    no(
        "POST /v1/echo",
        r#"{"numbers": 1}"#,
        400,
        "INVALID_ARGUMENT",
        "numbers: is a number, expected a list",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"d": 1e400}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.d: \"1e400\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"f": 1e39}}"#,
        400,
        "INVALID_ARGUMENT",
        "a finite 32-bit number",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"i32": " 1"}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.i32: \" 1\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"i32": true}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.i32: is true, expected an integer",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"flag": "true"}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.flag: is a string",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"flag": 1}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.flag: is a number",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"text": 1}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.text: is a number, expected a string",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"blob": "!"}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.blob: \"!\" is not accepted: base64",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"colour": "red"}}"#,
        400,
        "INVALID_ARGUMENT",
        "one of COLOUR_UNSPECIFIED, RED, GREEN",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": {"colour": true}}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars.colour: is true",
    ),
    no(
        "POST /v1/echo",
        r#"{"scalars": 1}"#,
        400,
        "INVALID_ARGUMENT",
        "scalars: is a number, expected an object",
    ),
    no(
        "POST /v1/echo",
        r#"{"counts": []}"#,
        400,
        "INVALID_ARGUMENT",
        "counts: is a list, expected an object",
    ),
    no("POST /v1/echo", r#"{"counts": {"a": null}}"#, 400, "INVALID_ARGUMENT", "counts.a: is null"),
    no(
        "POST /v1/echo",
        r#"{"names": {"x": "a"}}"#,
        400,
        "INVALID_ARGUMENT",
        "names.x: \"x\" is not accepted",
    ),
    no(
        "POST /v1/echo",
        r#"{"flags": {"yes": {}}}"#,
        400,
        "INVALID_ARGUMENT",
        "flags.yes: \"yes\" is not accepted: true or false",
    ),
    no(
        "POST /v1/echo",
        r#"{"at": "2024-02-30T00:00:00Z"}"#,
        400,
        "INVALID_ARGUMENT",
        "at: \"2024-02-30T00:00:00Z\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"at": 5}"#,
        400,
        "INVALID_ARGUMENT",
        "at: is a number, expected an RFC 3339 time",
    ),
    no(
        "POST /v1/echo",
        r#"{"span": "1m"}"#,
        400,
        "INVALID_ARGUMENT",
        "span: \"1m\" is not accepted: seconds",
    ),
    no("POST /v1/echo", r#"{"wInt32": "x"}"#, 400, "INVALID_ARGUMENT", "wInt32: \"x\""),
    no(
        "POST /v1/echo",
        r#"{"data": []}"#,
        400,
        "INVALID_ARGUMENT",
        "data: is a list, expected an object",
    ),
    no(
        "POST /v1/echo",
        r#"{"value": {"a": 1e400}}"#,
        400,
        "INVALID_ARGUMENT",
        "value.a: \"1e400\"",
    ),
    no(
        "POST /v1/echo",
        r#"{"nothing": {"a": 1}}"#,
        400,
        "MALFORMED_BODY",
        "nothing.a: is not a field",
    ),
    no(
        "POST /v1/echo",
        r#"{"extra": {"name": "a"}}"#,
        400,
        "INVALID_ARGUMENT",
        "extra: has no @type",
    ),
    no(
        "POST /v1/echo",
        r#"{"extra": {"@type": "type.googleapis.com/no.Such"}}"#,
        400,
        "INVALID_ARGUMENT",
        "extra.@type",
    ),
    no(
        "POST /v1/echo",
        r#"{"extra": {"@type": 1}}"#,
        400,
        "INVALID_ARGUMENT",
        "extra.@type: is a number",
    ),
    no(
        "POST /v1/echo",
        r#"{"extra": {"@type": "x/foreign.v1.Named", "@type": "x/foreign.v1.Named"}}"#,
        400,
        "MALFORMED_BODY",
        "extra.@type: is given twice",
    ),
    no(
        "POST /v1/echo",
        r#"{"extra": {"@type": "x/foreign.v1.Named", "nope": 1}}"#,
        400,
        "MALFORMED_BODY",
        "extra.nope",
    ),
];

#[tokio::test]
async fn wrong_bodies_are_refused_with_the_field_and_what_it_takes() {
    run(CASES).await;
}

#[tokio::test]
async fn content_types_that_are_not_json_are_refused() {
    let world = World::near();
    let cases = [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=\"UTF-8\"", 200),
        ("application/merge-patch+json", 200),
        ("application/json; charset=latin1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/x-ndjson", 415),
        ("text/json+json", 415),
        ("", 415),
    ];
    for (content_type, status) in cases {
        let answer =
            world.send_with("POST /v1/echo", &[("content-type", content_type)], "{}").await;
        assert_eq!(answer.status, status, "{content_type}: {}", answer.text());
        if status == 415 {
            assert_eq!(answer.reason(), "UNSUPPORTED_MEDIA_TYPE");
        }
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(world.send_with("POST /v1/echo", &headers, "{}").await.status, 415);
    // No body, no type to be wrong.
    assert_eq!(
        world.send_with("POST /v1/echo", &[("content-type", "text/plain")], "").await.status,
        200
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let config = gamemesh_gateway::GatewayConfig { body_bytes_max: 1000, ..Default::default() };
    let world = World::near_with(config);
    let body = |length: usize| format!("{{\"id\":\"{}\"}}", "x".repeat(length - 9));
    assert_eq!(world.send("POST /v1/echo", &body(1000)).await.status, 200);
    let answer = world.send("POST /v1/echo", &body(1001)).await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (413, "PAYLOAD_TOO_LARGE"));
    assert!(answer.text().contains("1000 bytes"));
    // A length that is announced is believed before anything is read.
    let answer = world.send_with("POST /v1/echo", &[("content-length", "1001")], "").await;
    assert_eq!(answer.status, 413);
    // Chunks are counted too.
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(" ".repeat(400)));
    let request = http::Request::post("/v1/echo")
        .body(axum::body::Body::from_stream(futures::stream::iter(chunks)));
    assert_eq!(world.request(request.expect("a request")).await.status, 413);
}

#[tokio::test]
async fn json_deeper_than_the_limit_is_refused() {
    let world = World::near();
    let nested = |depth: usize| {
        format!("{}{}", "{\"child\":".repeat(depth - 1) + "{}", "}".repeat(depth - 1))
    };
    assert_eq!(world.send("POST /v1/echo", &nested(64)).await.status, 200);
    let answer = world.send("POST /v1/echo", &nested(65)).await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (400, "MALFORMED_BODY"));
    assert!(answer.text().contains("deeper than 64 levels"));
    for open in ["{\"child\":", "{\"data\":{\"a\":", "{\"value\":[", "[", "{\"extra\":{\"x\":["] {
        let answer = world.send("POST /v1/echo", &open.repeat(1_000)).await;
        assert_eq!(answer.status, 400, "{open}");
    }
    // A level of JSON is up to three levels of protobuf, and decoders stop at 100 of those.
    let value =
        |depth: usize| format!("{{\"value\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        world.send("POST /v1/echo", &value(49)).await.status,
        200,
        "what may come in can go out"
    );
    let answer = world.send("POST /v1/echo", &value(50)).await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (400, "MALFORMED_BODY"));
    assert!(answer.text().contains("100 protobuf messages"));
}
