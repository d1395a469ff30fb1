//! Streams over plain HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use gamemesh_gateway::GatewayConfig;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::world::World;

const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test]
async fn lines_are_the_default() {
    for world in [World::near(), World::far().await] {
        for (line, body) in [("GET /v1/count/3", ""), ("POST /v1/count", r#"{"to": 3}"#)] {
            let answer = world.send(line, body).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, "application/x-ndjson")
            );
            let numbers: Vec<_> =
                lines(&answer.text()).iter().map(|tick| tick["n"].clone()).collect();
            assert_eq!(numbers, [json!(1), json!(2), json!(3)]);
        }
    }
}

#[tokio::test]
async fn events_have_ids_and_an_end() {
    for world in [World::near(), World::far().await] {
        let answer = world.send_with("GET /v1/count/2", &[EVENTS], "").await;
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("cache-control"), "no-store");
        let expected = "id: t1\ndata: {\"n\":1,\"resumeToken\":\"t1\",\"padding\":\"\"}\n\n\
                        id: t2\ndata: {\"n\":2,\"resumeToken\":\"t2\",\"padding\":\"\"}\n\n\
                        event: end\ndata: {}\n\n";
        assert_eq!(answer.text(), expected);
    }
}

#[tokio::test]
async fn an_error_in_the_middle_is_the_last_thing_said() {
    for world in [World::near(), World::far().await] {
        let answer = world.send("GET /v1/count/9?failAfter=2", "").await;
        assert_eq!(answer.status, 200);
        let lines = lines(&answer.text());
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[2],
            json!({"error": {"code": 15, "message": "told to fail", "details": []}})
        );

        let answer = world.send_with("GET /v1/count/9?failAfter=1", &[EVENTS], "").await;
        let expected =
            "event: error\ndata: {\"code\":15,\"message\":\"told to fail\",\"details\":[]}\n\n";
        assert!(answer.text().ends_with(expected), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_refusal_before_the_first_message_has_a_status() {
    let world = World::near();
    assert_eq!(world.send("GET /v1/count/x", "").await.status, 400);
    assert_eq!(world.send("POST /v1/count", "{").await.status, 400);
    assert_eq!(world.send_with("GET /v1/count/1?nope=1", &[EVENTS], "").await.status, 400);
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let config = GatewayConfig { heartbeat: Duration::from_millis(50), ..GatewayConfig::default() };
    let world = World::near_with(config);
    let request = Request::get("/v1/count/1?hang=true").header("accept", "text/event-stream");
    let response =
        world.gateway.router().oneshot(request.body(Body::empty()).expect("a request")).await;
    let mut body = response.expect("the router answers").into_body();
    let mut seen = String::new();
    while !seen.ends_with("\n\n:\n\n:\n\n") {
        let frame = tokio::time::timeout(Duration::from_secs(5), body.frame())
            .await
            .expect("a frame in time");
        let data = frame.expect("the stream goes on").expect("no error").into_data().expect("data");
        seen.push_str(&String::from_utf8_lossy(&data));
    }
    assert!(seen.starts_with("id: t1\n"));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call() {
    for world in [World::near(), World::far().await] {
        let address = world.listen().await;
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let request = b"GET /v1/count/1?hang=true HTTP/1.1\r\nHost: x\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, request)
            .await
            .expect("the request is sent");
        let mut buffer = [0; 1024];
        tokio::io::AsyncReadExt::read(&mut socket, &mut buffer).await.expect("the answer begins");
        world.await_open(1).await;
        drop(socket);
        world.await_open(0).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_service_back() {
    let world = World::near();
    let request =
        Request::get("/v1/count/100000?padding=10000").body(Body::empty()).expect("a request");
    let response = world.gateway.router().oneshot(request).await.expect("the router answers");
    let mut body = response.into_body();
    body.frame().await.expect("a frame").expect("no error");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let made = world.made.load(Ordering::SeqCst);
    assert!(made < 50, "{made} messages were made for one that was read");
    drop(body);
    world.await_open(0).await;
}

#[tokio::test]
async fn a_stream_of_requests_is_one_message_a_line() {
    for world in [World::near(), World::far().await] {
        let body = "{\"value\": 1}\n\n{\"value\": \"2\"}\r\n{\"value\":3}";
        let answer = world.send_with("POST /v1/sum/apples", &[LINES], body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({"value": "6", "of": "apples"}))
        );
        // One message needs no special type, and may be spread over lines.
        let answer = world.send("POST /v1/sum/pears", "{\n\"value\": 5\n}").await;
        assert_eq!(answer.json(), json!({"value": "5", "of": "pears"}));
        let answer = world.send_with("POST /v1/sum/none", &[LINES], "").await;
        assert_eq!(answer.json(), json!({"value": "0", "of": ""}));
    }
}

#[tokio::test]
async fn a_fault_in_a_stream_of_requests_is_named() {
    for world in [World::near(), World::far().await] {
        let answer = world
            .send_with("POST /v1/sum/a", &[LINES], "{\"value\": 1}\n{\"value\": \"x\"}\n")
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_str()),
            (400, "INVALID_ARGUMENT"),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains("value: \\\"x\\\" is not accepted"), "{}", answer.text());
        let answer = world
            .send_with("POST /v1/chat/a", &[LINES], "{\"text\": \"hi\"}\n{\"nope\": 1}\n")
            .await;
        let last = lines(&answer.text()).pop().expect("a line");
        let error = if answer.status == 200 { last["error"].clone() } else { last };
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|m| m.starts_with("line 2: nope: is not a field")),
            "{error}"
        );
        assert_eq!(
            world.send_with("POST /v1/sum/a", &[("content-type", "text/csv")], "1").await.status,
            415
        );
    }
}

#[tokio::test]
async fn a_line_over_the_limit_is_refused() {
    let world = World::near_with(GatewayConfig { body_bytes_max: 100, ..GatewayConfig::default() });
    let many = "{\"value\": 1}\n".repeat(1_000);
    assert_eq!(world.send_with("POST /v1/sum/a", &[LINES], &many).await.json()["value"], "1000");
    let long = format!("{{\"value\": {}1}}\n", " ".repeat(100));
    let answer = world.send_with("POST /v1/sum/a", &[LINES], &long).await;
    assert_eq!(
        (answer.status.as_u16(), answer.reason().as_str()),
        (413, "PAYLOAD_TOO_LARGE"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn both_sides_stream_over_http() {
    for world in [World::near(), World::far().await] {
        let body = "{\"text\": \"a\"}\n{\"text\": \"b\", \"room\": \"ignored\"}\n";
        let answer = world.send_with("POST /v1/chat/lobby", &[LINES], body).await;
        let expected =
            [json!({"room": "lobby", "text": "a"}), json!({"room": "lobby", "text": "b"})];
        assert_eq!(lines(&answer.text()), expected);
    }
}
