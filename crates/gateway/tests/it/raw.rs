//! `google.api.HttpBody`: bodies that go through as they are.

use axum::body::Body;
use bytes::Bytes;
use gamemesh_gateway::GatewayConfig;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::world::World;

const BYTES: &str = "a,\"b\"\n\u{0}{not JSON";

#[tokio::test]
async fn a_request_and_an_answer_are_what_they_are() {
    for world in [World::near(), World::far().await] {
        for line in ["POST /v1/body", "PUT /v1/bodies/x"] {
            let headers = [("content-type", "text/csv; charset=latin1")];
            let answer = world.send_with(line, &headers, BYTES).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, BYTES), "{line}");
            assert_eq!(answer.header("content-type"), "text/csv; charset=latin1");
        }
        let headers = [("content-type", "application/json")];
        let answer = world.send_with("POST /v1/bodies/x", &headers, "[1]").await;
        let file = json!({"contentType": "application/json", "data": "WzFd", "extensions": []});
        assert_eq!(answer.json(), json!({"name": "x", "file": file}));
        // Nothing sent is nothing, and has no type.
        let answer = world.send("POST /v1/body", "").await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        let packed = [("content-encoding", "gzip"), ("content-type", "text/plain")];
        let answer = world.send_with("POST /v1/body", &packed, BYTES).await;
        assert_eq!(answer.reason(), "UNSUPPORTED_MEDIA_TYPE");
    }
}

#[tokio::test]
async fn a_raw_body_has_the_limit_of_every_body() {
    let config = GatewayConfig { body_bytes_max: 100, ..GatewayConfig::default() };
    let world = World::near_with(config);
    let headers = [("content-type", "text/plain")];
    let whole = world.send_with("POST /v1/body", &headers, &"x".repeat(100)).await;
    assert_eq!(whole.body.len(), 100);
    let more = world.send_with("POST /v1/body", &headers, &"x".repeat(101)).await;
    assert_eq!(more.status, 413);
}

fn upload(line: &str, pieces: &[&'static str]) -> Request<Body> {
    let (method, uri) = line.split_once(' ').expect("a method and a path");
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece)).collect();
    let request = Request::builder().method(method).uri(uri).header("content-type", "text/csv");
    request.body(Body::from_stream(futures::stream::iter(pieces))).expect("a request")
}

#[tokio::test]
async fn a_stream_goes_through_in_pieces() {
    for world in [World::near(), World::far().await] {
        let answer = world.request(upload("PUT /v1/pieces/x", &["a,b\n", "c", ",d"])).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "a,b\nc,d"));
        assert_eq!(answer.header("content-type"), "text/csv");
        let answer = world.request(upload("POST /v1/pieces/x", &["a", "b"])).await;
        let lines: Vec<_> = answer.text().lines().map(str::to_owned).collect();
        let line = |data: &str| {
            let file = json!({"contentType": "text/csv", "data": data, "extensions": []});
            json!({"name": "x", "file": file})
        };
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (text, data) in lines.iter().zip(["YQ==", "Yg=="]) {
            let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(message, line(data));
        }
        let empty = world.request(upload("POST /v1/pieces/x", &[])).await;
        assert_eq!(empty.json()["name"], "x");
    }
}

#[tokio::test]
async fn a_long_piece_is_several_messages() {
    let config = GatewayConfig { body_bytes_max: 3, ..GatewayConfig::default() };
    let world = World::near_with(config);
    let answer = world.request(upload("POST /v1/pieces/x", &["abcdefgh"])).await;
    assert_eq!(answer.text().lines().count(), 3, "{}", answer.text());
    let answer = world.request(upload("PUT /v1/pieces/x", &["abcdefgh"])).await;
    assert_eq!(answer.text(), "abcdefgh");
}

#[tokio::test]
async fn a_refusal_is_an_answer_at_first_and_breaks_off_later() {
    for world in [World::near(), World::far().await] {
        let answer = world.request(upload("PUT /v1/pieces/x", &["fail"])).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].clone()), (409, json!(10)));
        let request = upload("PUT /v1/pieces/x", &["good", "fail"]);
        let response = world.gateway.router().oneshot(request).await.expect("the router answers");
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let first = body.frame().await.expect("a piece").expect("no error");
        assert_eq!(first.into_data().expect("data"), Bytes::from("good"));
        assert!(body.frame().await.expect("an end").is_err(), "a part is not the whole");
    }
}
