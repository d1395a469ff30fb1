//! JSON bodies, both ways.

use super::cases::{Case, no, ok, run, text};
use super::world::World;

const CASES: &[Case] = &[
    // What is empty.
    ok("POST /v1/echo", "", r#"{"id": "", "numbers": [], "counts": {}}"#),
    ok("POST /v1/echo", "{}", r#"{"id": ""}"#),
    ok("POST /v1/echo", " \n{ } ", r#"{"id": ""}"#),
    text(
        "POST /v1/part/child",
        r#"{"child": {"scalars": {}}}"#,
        "{\"id\":\"\",\"scalars\":{\"d\":0,\"f\":0,\"i32\":0,\"i64\":\"0\",\"u32\":0,\"u64\":\"0\",\"s32\":0,\"s64\":\"0\",\
          \"fx32\":0,\"fx64\":\"0\",\"sf32\":0,\"sf64\":\"0\",\"flag\":false,\"text\":\"\",\"blob\":\"\",\
          \"colour\":\"COLOUR_UNSPECIFIED\"},\"numbers\":[],\"words\":[],\"colours\":[],\"scalarsList\":[],\"counts\":{},\
          \"names\":{},\"flags\":{},\"times\":[],\"nullValue\":null,\"values\":{},\"doubles\":[],\"renamed\":\"\",\
          \"deltas\":[],\"colourOf\":{},\"extras\":[],\"far\":\"\"}",
    ),
    // Scalars.
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"d": 1.5, "f": 0.1, "i32": -1, "i64": "-2", "u32": 3, "u64": "4"}}"#,
        r#"{"scalars": {"d": 1.5, "f": 0.1, "i32": -1, "i64": "-2", "u32": 3, "u64": "4"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"s32": -5, "s64": -6, "fx32": 7, "fx64": 8, "sf32": -9, "sf64": -10}}"#,
        r#"{"scalars": {"s32": -5, "s64": "-6", "fx32": 7, "fx64": "8", "sf32": -9, "sf64": "-10"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"i64": 9007199254740993, "u64": 18446744073709551615}}"#,
        r#"{"scalars": {"i64": "9007199254740993", "u64": "18446744073709551615"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"i32": "-2147483648", "s32": 2147483647, "s64": "-9223372036854775808"}}"#,
        r#"{"scalars": {"i32": -2147483648, "s32": 2147483647, "s64": "-9223372036854775808"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"i32": 1e2, "u32": 5.0, "i64": "1e3"}}"#,
        r#"{"scalars": {"i32": 100, "u32": 5, "i64": "1000"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"d": "NaN", "f": "-Infinity"}}"#,
        r#"{"scalars": {"d": "NaN", "f": "-Infinity"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"d": "2.5", "f": 3}}"#,
        r#"{"scalars": {"d": 2.5, "f": 3}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"d": 1.7976931348623157e308, "f": 3.4028234e38}}"#,
        r#"{"scalars": {"d": 1.7976931348623157e308}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalars": {"text": "\u0041\n\ud83c\udfae\"\\\/", "flag": true}}"#,
        r#"{"scalars": {"text": "A\n🎮\"\\/", "flag": true}}"#,
    ),
    ok("POST /v1/echo", r#"{"scalars": {"blob": "-_8"}}"#, r#"{"scalars": {"blob": "+/8="}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"blob": "+/8="}}"#, r#"{"scalars": {"blob": "+/8="}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"colour": "RED"}}"#, r#"{"scalars": {"colour": "RED"}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"colour": 2}}"#, r#"{"scalars": {"colour": "GREEN"}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"colour": -3}}"#, r#"{"scalars": {"colour": -3}}"#),
    ok(
        "POST /v1/echo",
        r#"{"scalars": null, "id": null, "numbers": null, "counts": null}"#,
        r#"{"id": "", "numbers": []}"#,
    ),
    // Names.
    ok(
        "POST /v1/echo",
        r#"{"w_int64": 1, "choice_number": 2}"#,
        r#"{"wInt64": "1", "choiceNumber": 2}"#,
    ),
    ok("POST /v1/echo", r#"{"renamed": "a"}"#, r#"{"renamed": "a"}"#),
    ok("POST /v1/echo", r#"{"json_named": "a"}"#, r#"{"renamed": "a"}"#),
    ok("POST /v1/echo", r#"{"\u0069d": "a"}"#, r#"{"id": "a"}"#),
    // Presence, oneofs, nesting.
    ok("POST /v1/echo", r#"{"maybe": 0}"#, r#"{"maybe": 0}"#),
    ok("POST /v1/echo", r#"{"choiceText": ""}"#, r#"{"choiceText": ""}"#),
    ok(
        "POST /v1/echo",
        r#"{"choiceText": null, "choiceScalars": {"i32": 1}}"#,
        r#"{"choiceScalars": {"i32": 1}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"child": {"child": {"id": "x"}, "scalars": {"i32": 1}}}"#,
        r#"{"child": {"child": {"id": "x"}, "scalars": {"i32": 1}}}"#,
    ),
    // Lists and maps.
    ok(
        "POST /v1/echo",
        r#"{"numbers": [1, "2", 3.0], "words": ["", "a"], "colours": ["RED", 2]}"#,
        r#"{"numbers": [1, 2, 3], "words": ["", "a"], "colours": ["RED", "GREEN"]}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"scalarsList": [{}, {"i32": 1}], "doubles": [0, "NaN"], "deltas": [-1, "2"]}"#,
        r#"{"scalarsList": [{"i32": 0}, {"i32": 1}], "doubles": [0, "NaN"], "deltas": ["-1", "2"]}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"numbers": [], "scalarsList": []}"#,
        r#"{"numbers": [], "scalarsList": []}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"counts": {"b": 1, "a": 0, "": 2}, "names": {"-1": "x", "5": ""}}"#,
        r#"{"counts": {"a": 0, "b": 1, "": 2}, "names": {"-1": "x", "5": ""}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"flags": {"true": {"i32": 1}, "false": {}}, "colourOf": {"7": "RED"}}"#,
        r#"{"flags": {"true": {"i32": 1}, "false": {"i32": 0}}, "colourOf": {"7": "RED"}}"#,
    ),
    text(
        "POST /v1/part/counts",
        r#"{"counts": {"c": 3, "a": 1, "b": 2}}"#,
        r#"{"a":1,"b":2,"c":3}"#,
    ),
    // Well-known types.
    ok(
        "POST /v1/echo",
        r#"{"wDouble": 1, "wFloat": "2", "wInt64": "3", "wUint64": 4, "wInt32": 5, "wUint32": 6}"#,
        r#"{"wDouble": 1, "wFloat": 2, "wInt64": "3", "wUint64": "4", "wInt32": 5, "wUint32": 6}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"wBool": false, "wString": "", "wBytes": "aGk="}"#,
        r#"{"wBool": false, "wString": "", "wBytes": "aGk="}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"at": "2024-02-29T12:00:00.123456789Z", "span": "-1.000000001s"}"#,
        r#"{"at": "2024-02-29T12:00:00.123456789Z", "span": "-1.000000001s"}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"at": "0001-01-01T00:00:00Z", "times": ["9999-12-31T23:59:59Z"]}"#,
        r#"{"at": "0001-01-01T00:00:00Z", "times": ["9999-12-31T23:59:59Z"]}"#,
    ),
    ok("POST /v1/echo", r#"{"mask": "id,scalarsList.i32"}"#, r#"{"mask": "id,scalarsList.i32"}"#),
    ok("POST /v1/echo", r#"{"mask": ""}"#, r#"{"mask": ""}"#),
    ok(
        "POST /v1/echo",
        r#"{"data": {"a": 1, "b": [true, null, "x", 1.5, {}], "c": {"d": {}}}}"#,
        r#"{"data": {"a": 1, "b": [true, null, "x", 1.5, {}], "c": {"d": {}}}}"#,
    ),
    ok("POST /v1/echo", r#"{"value": null}"#, r#"{"value": null}"#),
    ok(
        "POST /v1/echo",
        r#"{"value": [1, "a"], "list": [[], {}], "values": {"x": null, "y": 1}}"#,
        r#"{"value": [1, "a"], "list": [[], {}], "values": {"x": null, "y": 1}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"nullValue": null, "nothing": {}}"#,
        r#"{"nullValue": null, "nothing": {}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"extra": {"@type": "type.googleapis.com/foreign.v1.Named", "name": "a", "pageSize": 2}}"#,
        r#"{"extra": {"@type": "type.googleapis.com/foreign.v1.Named", "name": "a", "pageSize": 2}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"extra": {"name": "a", "@type": "type.googleapis.com/foreign.v1.Named"}}"#,
        r#"{"extra": {"@type": "type.googleapis.com/foreign.v1.Named", "name": "a"}}"#,
    ),
    ok(
        "POST /v1/echo",
        r#"{"extra": {"value": "1.5s", "@type": "type.googleapis.com/google.protobuf.Duration"}}"#,
        r#"{"extra": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"}}"#,
    ),
    ok("POST /v1/echo", r#"{"extra": {}}"#, r#"{"extra": {}}"#),
    ok(
        "POST /v1/echo",
        r#"{"extra": {"@type": "type.googleapis.com/google.protobuf.Any", "value": {"@type": "x/foreign.v1.Named", "name": "b"}}}"#,
        r#"{"extra": {"value": {"@type": "x/foreign.v1.Named", "name": "b"}}}"#,
    ),
    // Parts of the request as the body.
    ok("PUT /v1/echo/a", r#"{"maybe": 1}"#, r#"{"id": "a", "maybe": 1}"#),
    ok("PUT /v1/echo/a", r#"{"id": "b", "maybe": 1}"#, r#"{"id": "a", "maybe": 1}"#),
    ok("PATCH /v1/echo/a/child", r#"{"id": "b"}"#, r#"{"id": "a", "child": {"id": "b"}}"#),
    ok("POST /v1/echo/a/numbers", "[1, 2]", r#"{"id": "a", "numbers": [1, 2]}"#),
    ok("POST /v1/echo/a/counts", r#"{"x": 1}"#, r#"{"id": "a", "counts": {"x": 1}}"#),
    ok("POST /v1/echo/a/text", r#""hi""#, r#"{"id": "a", "choiceText": "hi"}"#),
    ok("POST /v1/echo/a/at", r#""2024-01-01T00:00:00Z""#, r#"{"at": "2024-01-01T00:00:00Z"}"#),
    ok("POST /v1/echo/a/numbers", "", r#"{"id": "a", "numbers": []}"#),
    ok("DELETE /v1/echo/a", "{}", r#"{"id": "a"}"#),
    // Parts of the answer as the body.
    text("POST /v1/part/numbers", r#"{"numbers": [1, 2]}"#, "[1,2]"),
    text("POST /v1/part/numbers", "{}", "[]"),
    text("POST /v1/part/text", r#"{"choiceText": "hi"}"#, "\"hi\""),
    text("POST /v1/part/text", "{}", "\"\""),
    text("POST /v1/part/at", r#"{"at": "2024-01-01T00:00:00Z"}"#, "\"2024-01-01T00:00:00Z\""),
    text("POST /v1/part/at", "{}", "null"),
    ok("POST /v1/part/child", "{}", r#"{"id": "", "numbers": []}"#),
    text("GET /v1/raw/b", "", "a,b"),
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
async fn bodies_are_read_and_written() {
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
