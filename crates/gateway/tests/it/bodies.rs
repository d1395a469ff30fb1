//! JSON bodies, both ways.

use super::cases::{Case, ok, run, text};

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
    // `null` as the body of one field leaves it unset.
    ok("PATCH /v1/echo/a/child", " null ", r#"{"id": "a"}"#),
    ok("POST /v1/echo/a/numbers", "null", r#"{"id": "a", "numbers": []}"#),
    ok("POST /v1/echo/a/counts", "null", r#"{"id": "a", "counts": {}}"#),
    ok("POST /v1/echo/a/at", "null", r#"{"id": "a"}"#),
    // Base64 in either alphabet, padded or not, whatever its last bits.
    ok("POST /v1/echo", r#"{"scalars": {"blob": "-_"}}"#, r#"{"scalars": {"blob": "+w=="}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"blob": "+/8="}}"#, r#"{"scalars": {"blob": "+/8="}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"blob": "-_8"}}"#, r#"{"scalars": {"blob": "+/8="}}"#),
    ok("POST /v1/echo", r#"{"scalars": {"blob": "-_8="}}"#, r#"{"scalars": {"blob": "+/8="}}"#),
    ok("POST /v1/echo", r#"{"wBytes": "-_8"}"#, r#"{"wBytes": "+/8="}"#),
    ok("GET /v1/blob/-_8", "", r#"{"scalars": {"blob": "+/8="}}"#),
    ok("GET /v1/echo?scalars.blob=-_8&wBytes=-_", "", r#"{"scalars": {"blob": "+/8="}}"#),
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
];

#[tokio::test]
async fn bodies_are_read_and_written() {
    run(CASES).await;
}
