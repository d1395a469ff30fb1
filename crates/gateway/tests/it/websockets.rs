//! RPCs over WebSockets.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use gamemesh_gateway::GatewayConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::world::World;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(world: &World, path: &str, protocols: &str) -> Result<(Socket, String), Error> {
    let address = world.listen().await;
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    if !protocols.is_empty() {
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse().expect("a header"));
    }
    let (socket, response) = tokio_tungstenite::connect_async(request).await?;
    let chosen =
        response.headers().get("sec-websocket-protocol").map_or("", |v| v.to_str().unwrap_or(""));
    Ok((socket, chosen.to_owned()))
}

async fn open(world: &World, path: &str) -> Socket {
    connect(world, path, "").await.expect("the connection is accepted").0
}

async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next())
            .await
            .expect("a frame in time");
        match message.expect("the connection is open").expect("no error") {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

async fn next_json(socket: &mut Socket) -> Value {
    match next(socket).await {
        Message::Text(text) => serde_json::from_str(&text).expect("a text frame is JSON"),
        other => panic!("expected a text frame, got {other:?}"),
    }
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    match next(socket).await {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("expected a close frame, got {other:?}"),
    }
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.expect("the frame is sent");
}

#[tokio::test]
async fn both_sides_talk() {
    for world in [World::near(), World::far().await] {
        let mut socket = open(&world, "/v1/chat/lobby").await;
        for text in ["a", "b", "c"] {
            say(&mut socket, &json!({"text": text}).to_string()).await;
            assert_eq!(next_json(&mut socket).await, json!({"room": "lobby", "text": text}));
        }
        say(&mut socket, "").await;
        assert_eq!(closed(&mut socket).await, (1000, String::new()));
    }
}

#[tokio::test]
async fn binary_frames_are_protobuf() {
    let world = World::near();
    let mut socket = open(&world, "/v1/chat/r").await;
    socket.send(Message::binary(b"\x12\x02hi".to_vec())).await.expect("the frame is sent");
    let Message::Binary(bytes) = next(&mut socket).await else { panic!("expected a binary frame") };
    assert_eq!(bytes.as_ref(), b"\x0a\x01r\x12\x02hi");
    let (mut socket, chosen) =
        connect(&world, "/v1/count/1", "proto").await.expect("the connection is accepted");
    assert_eq!(chosen, "proto");
    assert!(matches!(next(&mut socket).await, Message::Binary(_)));
}

#[tokio::test]
async fn a_server_stream_starts_at_once_or_with_the_body() {
    for world in [World::near(), World::far().await] {
        let mut socket = open(&world, "/v1/count/2").await;
        assert_eq!(next_json(&mut socket).await["n"], 1);
        assert_eq!(next_json(&mut socket).await["n"], 2);
        assert_eq!(closed(&mut socket).await.0, 1000);

        let mut socket = open(&world, "/v1/count").await;
        say(&mut socket, r#"{"to": 1}"#).await;
        assert_eq!(next_json(&mut socket).await["n"], 1);
        assert_eq!(closed(&mut socket).await.0, 1000);
    }
}

#[tokio::test]
async fn a_client_stream_ends_with_an_empty_frame() {
    for world in [World::near(), World::far().await] {
        let mut socket = open(&world, "/v1/sum/x").await;
        say(&mut socket, r#"{"value": 2}"#).await;
        say(&mut socket, r#"{"value": 3}"#).await;
        say(&mut socket, "").await;
        assert_eq!(next_json(&mut socket).await, json!({"value": "5", "of": "x"}));
        assert_eq!(closed(&mut socket).await.0, 1000);
    }
}

#[tokio::test]
async fn a_unary_call_is_one_answer() {
    let world = World::near();
    let mut socket = open(&world, "/v1/things/7").await;
    assert_eq!(next_json(&mut socket).await["name"], "7");
    assert_eq!(closed(&mut socket).await.0, 1000);
}

#[tokio::test]
async fn faults_are_said_and_close_with_their_code() {
    for world in [World::near(), World::far().await] {
        let mut socket = open(&world, "/v1/chat/r").await;
        say(&mut socket, r#"{"text": "fail"}"#).await;
        assert_eq!(next_json(&mut socket).await["error"]["code"], 10);
        assert_eq!(closed(&mut socket).await, (4010, "told to fail".to_owned()));

        let mut socket = open(&world, "/v1/chat/r").await;
        say(&mut socket, r#"{"nope": 1}"#).await;
        let error = next_json(&mut socket).await["error"].clone();
        assert_eq!(error["details"][0]["reason"], "MALFORMED_BODY");
        let (code, reason) = closed(&mut socket).await;
        assert_eq!(code, 4003);
        assert!(reason.starts_with("nope: is not a field"));

        let mut socket = open(&world, "/v1/count/3?failAfter=1").await;
        assert_eq!(next_json(&mut socket).await["n"], 1);
        assert_eq!(next_json(&mut socket).await["error"]["code"], 15);
        assert_eq!(closed(&mut socket).await.0, 4015);
    }
}

#[tokio::test]
async fn another_message_after_the_only_one_is_refused() {
    let world = World::near();
    let mut socket = open(&world, "/v1/count/1?hang=true").await;
    assert_eq!(next_json(&mut socket).await["n"], 1);
    say(&mut socket, "{}").await;
    assert_eq!(next_json(&mut socket).await["error"]["code"], 3);
    assert_eq!(closed(&mut socket).await.0, 4003);
    world.await_open(0).await;
}

#[tokio::test]
async fn what_the_uri_says_wrong_is_refused_before_the_upgrade() {
    let world = World::near();
    for (path, status) in [("/v1/count/x", 400), ("/v1/count/1?nope=1", 400), ("/nowhere", 404)] {
        match connect(&world, path, "").await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{path}"),
            other => panic!("{path}: {:?}", other.map(|_| "accepted")),
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call() {
    for world in [World::near(), World::far().await] {
        let mut socket = open(&world, "/v1/count/1?hang=true").await;
        assert_eq!(next_json(&mut socket).await["n"], 1);
        world.await_open(1).await;
        drop(socket);
        world.await_open(0).await;
    }
}

#[tokio::test]
async fn a_token_comes_as_a_subprotocol() {
    let world = World::near();
    let (mut socket, chosen) =
        connect(&world, "/v1/metadata", "json, bearer.abc").await.expect("accepted");
    assert_eq!(chosen, "json");
    assert_eq!(next_json(&mut socket).await["values"]["authorization"], "Bearer abc");
}

#[tokio::test]
async fn frames_over_the_limit_close_the_connection() {
    let config = GatewayConfig { websocket_frame_bytes_max: 1000, ..GatewayConfig::default() };
    let world = World::near_with(config);
    let text = |length: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(length - 11));
    let mut socket = open(&world, "/v1/chat/r").await;
    say(&mut socket, &text(1000)).await;
    assert_eq!(next_json(&mut socket).await["room"], "r");
    say(&mut socket, &text(1001)).await;
    assert_eq!(next_json(&mut socket).await["error"]["details"][0]["reason"], "PAYLOAD_TOO_LARGE");
    assert_eq!(closed(&mut socket).await.0, 1009);
}

#[tokio::test]
async fn a_silent_connection_is_pinged_and_a_dead_one_dropped() {
    let config = GatewayConfig { heartbeat: Duration::from_millis(50), ..GatewayConfig::default() };
    let world = World::near_with(config);
    let mut socket = open(&world, "/v1/count/1?hang=true").await;
    assert_eq!(next_json(&mut socket).await["n"], 1);
    let frame =
        tokio::time::timeout(Duration::from_secs(5), socket.next()).await.expect("a frame in time");
    assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    world.await_open(1).await;
    // A client that does not read does not answer pings either.
    world.await_open(0).await;
}

/// Whoever asks and does not listen is not read on, and in the end he is gone.
#[tokio::test]
async fn pings_that_nobody_reads_the_answers_of_end_the_connection() {
    /// More than the kernel holds for both sides of a connection.
    const BYTES_MAX: usize = 64 << 20;
    let config =
        GatewayConfig { heartbeat: Duration::from_millis(300), ..GatewayConfig::default() };
    let world = World::near_with(config);
    let address = world.listen().await;
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let hello = "GET /v1/chat/lobby HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\
                 connection: upgrade\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(hello.as_bytes()).await.expect("the request is sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    // Final, ping, masked with zeros, 125 bytes.
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[7; 125]].concat();
    let burst = ping.repeat(512);
    let mut sent = 0;
    let ended = async {
        while sent < BYTES_MAX {
            if stream.write_all(&burst).await.is_err() {
                return;
            }
            sent += burst.len();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the connection ends");
    assert!(sent < BYTES_MAX, "{sent} bytes of pings were read and none of their answers");
    world.await_open(0).await;
}

#[tokio::test]
async fn a_call_that_waits_for_its_message_does_not_wait_for_ever() {
    let config = GatewayConfig {
        first_frame_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    };
    let world = World::near_with(config);
    let mut socket = open(&world, "/v1/count").await;
    let error = next_json(&mut socket).await["error"].clone();
    assert_eq!(error["details"][0]["reason"], "DEADLINE_EXCEEDED");
    assert_eq!(closed(&mut socket).await.0, 4004);
    // A stream of messages may begin when it likes.
    let mut socket = open(&world, "/v1/chat/lobby").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    say(&mut socket, r#"{"text": "late"}"#).await;
    assert_eq!(next_json(&mut socket).await["text"], "late");
}
