//! Query parameters.

use super::cases::{Case, no, ok, run};

const CASES: &[Case] = &[
    ok("GET /v1/echo?id=a", "", r#"{"id": "a"}"#),
    ok("GET /v1/echo?id=", "", r#"{"id": ""}"#),
    ok("GET /v1/echo?id=a+b%26c%3D", "", r#"{"id": "a b&c="}"#),
    ok("GET /v1/echo?id=%F0%9F%8E%AE", "", r#"{"id": "🎮"}"#),
    ok("GET /v1/echo?&id=a&&", "", r#"{"id": "a"}"#),
    ok("GET /v1/echo?%69d=a", "", r#"{"id": "a"}"#),
    ok("GET /v1/echo?maybe=0", "", r#"{"maybe": 0}"#),
    ok("GET /v1/echo?numbers=1&numbers=-2&numbers=3", "", r#"{"numbers": [1, -2, 3]}"#),
    ok("GET /v1/echo?words=a&maybe=1&words=b", "", r#"{"words": ["a", "b"], "maybe": 1}"#),
    ok(
        "GET /v1/echo?colours=RED&colours=2&colours=VERDE",
        "",
        r#"{"colours": ["RED", "GREEN", "GREEN"]}"#,
    ),
    ok("GET /v1/echo?doubles=1.5&doubles=-Infinity", "", r#"{"doubles": [1.5, "-Infinity"]}"#),
    ok("GET /v1/echo?deltas=-3&deltas=4", "", r#"{"deltas": ["-3", "4"]}"#),
    ok("GET /v1/echo?scalars.i32=1&scalars.text=x", "", r#"{"scalars": {"i32": 1, "text": "x"}}"#),
    ok(
        "GET /v1/echo?scalars.d=1e300&scalars.f=-1.5",
        "",
        r#"{"scalars": {"d": 1e300, "f": -1.5}}"#,
    ),
    ok("GET /v1/echo?scalars.d=NaN", "", r#"{"scalars": {"d": "NaN"}}"#),
    ok(
        "GET /v1/echo?scalars.u32=4294967295&scalars.u64=1",
        "",
        r#"{"scalars": {"u32": 4294967295, "u64": "1"}}"#,
    ),
    ok(
        "GET /v1/echo?scalars.s32=-2&scalars.s64=-3",
        "",
        r#"{"scalars": {"s32": -2, "s64": "-3"}}"#,
    ),
    ok(
        "GET /v1/echo?scalars.fx32=7&scalars.fx64=8",
        "",
        r#"{"scalars": {"fx32": 7, "fx64": "8"}}"#,
    ),
    ok(
        "GET /v1/echo?scalars.sf32=-7&scalars.sf64=-8",
        "",
        r#"{"scalars": {"sf32": -7, "sf64": "-8"}}"#,
    ),
    ok(
        "GET /v1/echo?scalars.flag=true&scalars.blob=aGk",
        "",
        r#"{"scalars": {"flag": true, "blob": "aGk="}}"#,
    ),
    ok(
        "GET /v1/echo?child.child.scalars.i32=3&child.id=c",
        "",
        r#"{"child": {"id": "c", "child": {"scalars": {"i32": 3}}}}"#,
    ),
    ok("GET /v1/echo?choice_text=a", "", r#"{"choiceText": "a"}"#),
    ok("GET /v1/echo?choiceText=a", "", r#"{"choiceText": "a"}"#),
    ok("GET /v1/echo?choiceScalars.i32=4", "", r#"{"choiceScalars": {"i32": 4}}"#),
    ok("GET /v1/echo?json_named=a", "", r#"{"renamed": "a"}"#),
    ok("GET /v1/echo?renamed=a&far=b", "", r#"{"renamed": "a", "far": "b"}"#),
    ok(
        "GET /v1/echo?wInt32=0&w_string=&wBool=false",
        "",
        r#"{"wInt32": 0, "wString": "", "wBool": false}"#,
    ),
    ok(
        "GET /v1/echo?wDouble=Infinity&wUint64=5&wBytes=aGk%3D",
        "",
        r#"{"wDouble": "Infinity", "wUint64": "5", "wBytes": "aGk="}"#,
    ),
    ok("GET /v1/echo?at=2024-01-01T00:00:00%2B01:00", "", r#"{"at": "2023-12-31T23:00:00Z"}"#),
    ok(
        "GET /v1/echo?times=2024-01-01T00:00:00Z&times=2025-01-01T00:00:00.25Z",
        "",
        r#"{"times": ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00.250Z"]}"#,
    ),
    ok("GET /v1/echo?span=-0.5s", "", r#"{"span": "-0.500s"}"#),
    ok(
        "GET /v1/echo?mask=id,scalars.i32,wInt64,json_named",
        "",
        r#"{"mask": "id,scalars.i32,wInt64,jsonNamed"}"#,
    ),
    ok("GET /v1/echo?nullValue=NULL_VALUE", "", r#"{"nullValue": null}"#),
    ok(
        "PATCH /v1/echo/a/child?maybe=3",
        r#"{"id": "c"}"#,
        r#"{"id": "a", "maybe": 3, "child": {"id": "c"}}"#,
    ),
    no(
        "GET /v1/echo?nope=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "nope: nope is not a field of foreign.v1.Everything",
    ),
    no(
        "GET /v1/echo?scalars.nope=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.nope: nope is not a field of foreign.v1.Scalars",
    ),
    no("GET /v1/echo?=1", "", 400, "INVALID_ARGUMENT", "is not a field"),
    no("GET /v1/echo?id.x=1", "", 400, "INVALID_ARGUMENT", "id has no fields"),
    ok(
        "GET /v1/echo?at.seconds=1&at.nanos=500000000&span.seconds=-2",
        "",
        r#"{"at": "1970-01-01T00:00:01.500Z", "span": "-2s"}"#,
    ),
    ok("GET /v1/echo?wInt64.value=7&w_string.value=", "", r#"{"wInt64": "7", "wString": ""}"#),
    ok("GET /v1/echo?mask.paths=a.b&mask.paths=c", "", r#"{"mask": "a.b,c"}"#),
    ok("GET /v1/echo?value.stringValue=x", "", r#"{"value": "x"}"#),
    no("GET /v1/echo?at.nope=1", "", 400, "INVALID_ARGUMENT", "not a field of google.protobuf.Tim"),
    no("GET /v1/echo?at.nanos=1000000000", "", 400, "INVALID_ARGUMENT", "from 0 to 999999999"),
    no("GET /v1/echo?span.seconds=315576000001", "", 400, "INVALID_ARGUMENT", "to 315576000000"),
    no(
        "GET /v1/echo?at=2026-01-31T12:00:00Z&at.seconds=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "at.seconds: is given twice",
    ),
    no("GET /v1/echo?wInt64.value=7&wInt64=7", "", 400, "INVALID_ARGUMENT", "wInt64: is given twi"),
    no(
        "GET /v1/at/2026-01-31T12:00:00Z/span/1s?at.seconds=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "at.seconds: is set by the path",
    ),
    no("GET /v1/echo?data.fields.a=1", "", 400, "INVALID_ARGUMENT", "is in a map"),
    // A oneof holds one member, whether path, query or body sets it.
    ok("PUT /v1/chosen/7", r#"{"id": "a"}"#, r#"{"id": "a", "choiceNumber": 7}"#),
    ok("PUT /v1/chosen/7", r#"{"choiceNumber": 8, "choiceText": null}"#, r#"{"choiceNumber": 7}"#),
    no(
        "PUT /v1/chosen/7",
        r#"{"choiceText": "x"}"#,
        400,
        "INVALID_ARGUMENT",
        "choiceNumber: is given beside choiceText in the body, and only one of the oneof choice",
    ),
    no(
        "POST /v1/chosen/7/child?choiceScalars.i32=1",
        "{}",
        400,
        "INVALID_ARGUMENT",
        "choiceScalars.i32: is given beside choiceNumber",
    ),
    no(
        "POST /v1/echo/a/text?choiceNumber=1",
        "\"x\"",
        400,
        "INVALID_ARGUMENT",
        "choiceNumber: is given beside choiceText in the body",
    ),
    ok("POST /v1/chosen/7/child", r#"{"choiceText": "x"}"#, r#"{"child": {"choiceText": "x"}}"#),
    no("GET /v1/echo?id=a&id=b", "", 400, "INVALID_ARGUMENT", "id: is given twice"),
    no(
        "GET /v1/echo?json_named=a&renamed=b",
        "",
        400,
        "INVALID_ARGUMENT",
        "renamed: is given twice",
    ),
    no(
        "GET /v1/echo?choiceText=a&choiceNumber=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "only one of the oneof choice",
    ),
    no(
        "GET /v1/echo?choiceScalars.i32=1&choiceText=a",
        "",
        400,
        "INVALID_ARGUMENT",
        "only one of the oneof choice",
    ),
    no("GET /v1/echo?counts.a=1", "", 400, "INVALID_ARGUMENT", "counts.a: is in a map"),
    no("GET /v1/echo?counts=1", "", 400, "INVALID_ARGUMENT", "counts: is a map"),
    no("GET /v1/echo?scalars=1", "", 400, "INVALID_ARGUMENT", "set its fields, such as scalars.d"),
    no("GET /v1/echo?scalarsList=1", "", 400, "INVALID_ARGUMENT", "is a list of messages"),
    no("GET /v1/echo?scalarsList.i32=1", "", 400, "INVALID_ARGUMENT", "in a list of messages"),
    no(
        "GET /v1/echo?data=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "data: has no form as a query parameter",
    ),
    no(
        "GET /v1/echo?extra=1",
        "",
        400,
        "INVALID_ARGUMENT",
        "extra: has no form as a query parameter",
    ),
    no("GET /v1/echo?maybe=", "", 400, "INVALID_ARGUMENT", "maybe: \"\" is not accepted"),
    no("GET /v1/echo?maybe=1.5", "", 400, "INVALID_ARGUMENT", "maybe: \"1.5\" is not accepted"),
    no("GET /v1/echo?maybe=9999999999", "", 400, "INVALID_ARGUMENT", "-2147483648 to 2147483647"),
    no(
        "GET /v1/echo?numbers=1&numbers=x",
        "",
        400,
        "INVALID_ARGUMENT",
        "numbers: \"x\" is not accepted",
    ),
    no(
        "GET /v1/echo?scalars.i64=9223372036854775808",
        "",
        400,
        "INVALID_ARGUMENT",
        "9223372036854775807",
    ),
    no("GET /v1/echo?scalars.f=1e39", "", 400, "INVALID_ARGUMENT", "scalars.f: \"1e39\""),
    no("GET /v1/echo?id=%", "", 400, "INVALID_ARGUMENT", "id: has a %"),
    no("GET /v1/echo?id=%ff", "", 400, "INVALID_ARGUMENT", "id: is not percent-encoded UTF-8"),
    no("POST /v1/echo?id=a", "{}", 400, "INVALID_ARGUMENT", "the body holds the whole request"),
    no("DELETE /v1/echo/a?id=b", "", 400, "INVALID_ARGUMENT", "id: is set by the path"),
    no(
        "PATCH /v1/echo/a/child?child.id=b",
        "{}",
        400,
        "INVALID_ARGUMENT",
        "child.id: is set by the body",
    ),
    no(
        "GET /v1/typed/1/true/RED?scalars.i32=2",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.i32: is set by the path",
    ),
    ok(
        "GET /v1/typed/1/true/RED?scalars.text=x",
        "",
        r#"{"scalars": {"i32": 1, "flag": true, "text": "x"}}"#,
    ),
];

#[tokio::test]
async fn query_parameters_set_fields() {
    run(CASES).await;
}

#[tokio::test]
async fn too_many_parameters_are_refused() {
    let world = super::world::World::near();
    let line = format!("GET /v1/echo?{}", "numbers=1&".repeat(1_001));
    let answer = world.send(&line, "").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("more than 1000 query parameters"));
    let line = format!("GET /v1/echo?{}", "numbers=1&".repeat(1_000));
    assert_eq!(world.send(&line, "").await.json()["numbers"].as_array().map(Vec::len), Some(1_000));
}
