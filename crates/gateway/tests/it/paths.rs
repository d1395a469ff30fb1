//! Templates against paths.

use super::cases::{Case, no, ok, rpc, run};
use super::world::World;

const CASES: &[Case] = &[
    rpc("GET /v1/shelves/1/books/2", "GetBook", "shelves/1/books/2"),
    rpc("GET /v1/shelves/a%20b/books/c%2Fd", "GetBook", "shelves/a b/books/c%2Fd"),
    rpc("GET /v1/shelves/a%2fb/books/%E2%9C%93", "GetBook", "shelves/a%2fb/books/✓"),
    rpc("GET /v1/shelves/%252F/books/2", "GetBook", "shelves/%2F/books/2"),
    rpc("GET /v1/%73helves/1/books/2", "GetBook", "shelves/1/books/2"),
    no("GET /v1/shelves/1/books", "", 404, "UNKNOWN_PATH", "/v1/shelves/1/books"),
    no("GET /v1/shelves//books/2", "", 404, "UNKNOWN_PATH", ""),
    no("GET /v1/shelves/1/books/", "", 404, "UNKNOWN_PATH", ""),
    no("GET /v1/shelves/1/books/2/3", "", 404, "UNKNOWN_PATH", ""),
    no("GET /v1/Shelves/1/books/2", "", 404, "UNKNOWN_PATH", ""),
    rpc("GET /v1/files", "GetFile", ""),
    rpc("GET /v1/files/", "GetFile", ""),
    rpc("GET /v1/files/a", "GetFile", "a"),
    rpc("GET /v1/files/a/b/c", "GetFile", "a/b/c"),
    rpc("GET /v1/files/a//c/", "GetFile", "a//c/"),
    rpc("GET /v1/files/a%2Fb/c%20d", "GetFile", "a%2Fb/c d"),
    rpc("GET /v1/files/a/b:stat", "GetFile", "a/b"),
    rpc("GET /v1/files:stat", "GetFile", ""),
    rpc("GET /v1/files/a:b/c", "GetFile", "a:b/c"),
    rpc("GET /v1/files/a:other", "GetFile", "a:other"),
    rpc("GET /v1/files/..", "GetFile", ".."),
    rpc("GET /v1/trees/roots", "GetFile", "roots"),
    rpc("GET /v1/trees/roots/a/b", "GetFile", "roots/a/b"),
    no("GET /v1/trees/other/a", "", 404, "UNKNOWN_PATH", ""),
    rpc("GET /v1/things/1", "GetThing", "1"),
    rpc("GET /v1/things/special", "GetSpecial", ""),
    rpc("GET /v1/things/specia%6c", "GetSpecial", ""),
    rpc("GET /v1/things/Special", "GetThing", "Special"),
    rpc("GET /v1/things/a%2Fb", "GetThing", "a/b"),
    rpc("GET /v1/things/a+b", "GetThing", "a+b"),
    rpc("GET /v1/things/%F0%9F%8E%AE", "GetThing", "🎮"),
    rpc("GET /v1/things/%00", "GetThing", "\0"),
    rpc("GET /v1/things/a:b", "GetThing", "a:b"),
    no("GET /v1/things/a:activate", "", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
    rpc("GET /v1/things/a%3Aactivate", "GetThing", "a:activate"),
    rpc("GET /v1/things/a?view=full", "GetThing", "a"),
    no("GET /v1/things/%zz", "", 400, "INVALID_ARGUMENT", "name: is not percent-encoded UTF-8"),
    no("GET /v1/things/%ff", "", 400, "INVALID_ARGUMENT", "name: is not percent-encoded UTF-8"),
    no("GET /v1/things/", "", 404, "UNKNOWN_PATH", ""),
    no("GET /v1/things", "", 404, "UNKNOWN_PATH", ""),
    rpc("POST /v1/things/7:activate", "Activate", "7"),
    rpc("POST /v1/things/a:b:activate", "Activate", "a:b"),
    rpc("POST /v1/things/a%3Ab:activate", "Activate", "a:b"),
    rpc("POST /v1/things:activate", "Activate", ""),
    rpc("POST /v1/things/special:activate", "Activate", "special"),
    rpc("POST /v1/things/special/x", "Activate", "x"),
    rpc("POST /v1/things/special/parts", "Activate", "parts"),
    rpc("POST /v1/things/other/parts", "Wild", "other"),
    no("POST /v1/things/7:deactivate", "", 405, "METHOD_NOT_ALLOWED", "GET, HEAD, LOCK, OPTIONS"),
    no("POST /v1/things/7%3Aactivate", "", 405, "METHOD_NOT_ALLOWED", ""),
    rpc("GET /v1/wild/anything/x", "Wild", "x"),
    rpc("GET /v1/lit%20eral/x", "Wild", "x"),
    rpc("GET /v1/li%74%20eral/x", "Wild", "x"),
    no("GET /v1/wild/x", "", 404, "UNKNOWN_PATH", ""),
    rpc("LOCK /v1/things/9", "Lock", "9"),
    rpc("GET /v1/whatever/a", "Whatever", "a"),
    rpc("PURGE /v1/whatever/a", "Whatever", "a"),
    rpc("OPTIONS /v1/whatever/a", "Whatever", "a"),
    ok(
        "GET /v1/typed/-5/true/RED",
        "",
        r#"{"scalars": {"i32": -5, "flag": true, "colour": "RED"}}"#,
    ),
    ok(
        "GET /v1/typed/0/false/2",
        "",
        r#"{"scalars": {"i32": 0, "flag": false, "colour": "GREEN"}}"#,
    ),
    ok("GET /v1/typed/0/false/VERDE", "", r#"{"scalars": {"colour": "GREEN"}}"#),
    ok("GET /v1/typed/0/false/77", "", r#"{"scalars": {"colour": 77}}"#),
    no(
        "GET /v1/typed/2147483648/true/RED",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.i32: \"2147483648\" is not accepted: an integer from -2147483648 to 2147483647",
    ),
    no(
        "GET /v1/typed/x/true/RED",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.i32: \"x\" is not accepted",
    ),
    no(
        "GET /v1/typed/1/yes/RED",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.flag: \"yes\" is not accepted: true or false",
    ),
    no(
        "GET /v1/typed/1/true/PINK",
        "",
        400,
        "INVALID_ARGUMENT",
        "scalars.colour: \"PINK\" is not accepted: one of COLOUR_UNSPECIFIED, RED, GREEN",
    ),
    ok("GET /v1/u64/18446744073709551615", "", r#"{"scalars": {"u64": "18446744073709551615"}}"#),
    no("GET /v1/u64/-1", "", 400, "INVALID_ARGUMENT", "an integer from 0 to 18446744073709551615"),
    ok("GET /v1/blob/_-8=", "", r#"{"scalars": {"blob": "/+8="}}"#),
    no("GET /v1/blob/!", "", 400, "INVALID_ARGUMENT", "base64"),
    ok(
        "GET /v1/at/2024-02-29T00:00:00Z/span/1.5s",
        "",
        r#"{"at": "2024-02-29T00:00:00Z", "span": "1.500s"}"#,
    ),
    no(
        "GET /v1/at/yesterday/span/1s",
        "",
        400,
        "INVALID_ARGUMENT",
        "at: \"yesterday\" is not accepted: an RFC 3339 time",
    ),
    ok("GET /v1/wrapped/-9223372036854775808", "", r#"{"wInt64": "-9223372036854775808"}"#),
    ok("DELETE /v1/echo/a", "", r#"{"id": "a"}"#),
    no("GET //", "", 404, "UNKNOWN_PATH", ""),
    no("GET /foreign.v1.Foreign/NoRule", "", 404, "UNKNOWN_PATH", ""),
];

#[tokio::test]
async fn paths_match_the_most_specific_rule() {
    run(CASES).await;
}

#[tokio::test]
async fn a_wrong_method_lists_the_right_ones() {
    let world = World::near();
    let cases = [
        ("DELETE /v1/echo", "GET, HEAD, OPTIONS, POST"),
        ("GET /v1/echo/a", "DELETE, OPTIONS, PUT"),
        ("DELETE /openapi.json", "GET, HEAD, OPTIONS"),
    ];
    for (line, allow) in cases {
        let answer = world.send(line, "").await;
        assert_eq!(answer.status, 405, "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
        assert_eq!(answer.reason(), "METHOD_NOT_ALLOWED");
    }
    let answer = world.send("OPTIONS /v1/echo", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, "GET, HEAD, OPTIONS, POST"));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::near();
    let get = world.send("GET /v1/things/1", "").await;
    let head = world.send("HEAD /v1/things/1", "").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("x-rpc"), "GetThing");
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert!(head.body.is_empty());
    assert_eq!(world.send("HEAD /nowhere", "").await.status, 404);
}
