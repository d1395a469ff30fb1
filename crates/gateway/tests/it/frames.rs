//! WebSockets in raw frames: closing and fragmentation by RFC 6455, and who is cut for silence.

use std::time::Duration;

use gamemesh_gateway::GatewayConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::World;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A masked frame; `first` is the opcode with its flags.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(MASKED | length as u8),
        length => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FINAL | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// A connection that sends whatever bytes a test wants.
struct Raw {
    stream: BufStream<TcpStream>,
    /// Status line and headers.
    answer: String,
}

impl Raw {
    async fn open(world: &World, path: &str, version: &str) -> Self {
        let address = world.listen().await;
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        let mut stream = BufStream::new(stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{version}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        stream.flush().await.expect("the request is sent");
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_line(&mut answer)).await.expect("in time");
            assert_ne!(read.expect("an answer"), 0, "{answer}");
        }
        Self { stream, answer }
    }

    async fn chat(world: &World) -> Self {
        let raw = Self::open(world, "/v1/chat/lobby", "Sec-WebSocket-Version: 13\r\n").await;
        assert!(raw.answer.starts_with("HTTP/1.1 101"), "{}", raw.answer);
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the frame is sent");
        self.stream.flush().await.expect("the frame is sent");
    }

    /// Opcode and payload of the next frame.
    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let heard = async {
            let first = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                126 => self.stream.read_u16().await?.into(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            std::io::Result::Ok((first & 0x0f, payload))
        };
        timeout(PATIENCE, heard).await.expect("a frame in time").expect("a whole frame")
    }

    /// The code of the close frame, `None` if it has none, after which the connection ends.
    async fn closed(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.hear().await;
            if opcode == CLOSE {
                let mut rest = Vec::new();
                let end = timeout(PATIENCE, self.stream.read_to_end(&mut rest));
                // What was sent and not read lets the connection end with a reset.
                let _ = end.await.expect("the connection ends");
                assert!(rest.is_empty(), "nothing follows a close frame: {rest:?}");
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    }

    async fn next_json(&mut self) -> Value {
        loop {
            let (opcode, payload) = self.hear().await;
            if opcode == TEXT {
                return serde_json::from_slice(&payload).expect("a text frame is JSON");
            }
        }
    }
}

/// What a client sends, and with what it is closed.
fn closings() -> Vec<(&'static str, Vec<u8>, Option<u16>)> {
    let long = vec![b'x'; 3_000];
    let mut unmasked = frame(FINAL | TEXT, b"");
    unmasked.truncate(1);
    unmasked.extend_from_slice(b"\x02{}");
    vec![
        // The client closes: it is answered with its own code.
        ("normal", close(1000, b""), Some(1000)),
        ("away", close(1001, b"away"), Some(1001)),
        ("library", close(3999, b""), Some(3999)),
        ("application", close(4000, b""), Some(4000)),
        ("no code", frame(FINAL | CLOSE, b""), None),
        // Codes that nobody may send.
        ("1004", close(1004, b""), Some(1002)),
        ("1005", close(1005, b""), Some(1002)),
        ("1006", close(1006, b""), Some(1002)),
        ("999", close(999, b""), Some(1002)),
        ("1016", close(1016, b""), Some(1002)),
        ("2999", close(2999, b""), Some(1002)),
        ("half a code", frame(FINAL | CLOSE, b"\x03"), Some(1002)),
        ("a reason that is no text", close(1000, b"\xff\xfe"), Some(1007)),
        // Text that is none.
        ("bad text", frame(FINAL | TEXT, b"\xff\xfe{}"), Some(1007)),
        (
            "a character cut short",
            [frame(TEXT, b"\xce"), frame(FINAL | CONTINUATION, b"")].concat(),
            Some(1007),
        ),
        ("a surrogate", frame(FINAL | TEXT, b"\"\xed\xa0\x80\""), Some(1007)),
        // Frames that are none.
        ("reserved data", frame(FINAL | 3, b"{}"), Some(1002)),
        ("reserved control", frame(FINAL | 11, b""), Some(1002)),
        ("reserved bit", frame(FINAL | 0x40 | TEXT, b"{}"), Some(1002)),
        ("unmasked", unmasked, Some(1002)),
        ("a fragmented ping", frame(PING, b"x"), Some(1002)),
        ("a fragmented close", frame(CLOSE, b""), Some(1002)),
        ("a long ping", frame(FINAL | PING, &[b'x'; 126]), Some(1002)),
        // Fragments out of order.
        ("nothing to go on with", frame(FINAL | CONTINUATION, b"x"), Some(1002)),
        ("nothing to go on with, more to come", frame(CONTINUATION, b"x"), Some(1002)),
        ("text amid text", [frame(TEXT, b"{"), frame(FINAL | TEXT, b"}")].concat(), Some(1002)),
        (
            "text after the end of its fragments",
            [frame(TEXT, b"{"), frame(FINAL, b"}"), frame(FINAL, b"{}")].concat(),
            Some(1002),
        ),
        // Too large: for a message, for the transport, in fragments.
        ("too large", frame(FINAL | TEXT, &long[..1_001]), Some(1009)),
        ("much too large", frame(FINAL | TEXT, &long), Some(1009)),
        ("much too large for a socket's buffers", frame(FINAL | TEXT, &[b'x'; 60_000]), Some(1009)),
        (
            "too large in fragments",
            [frame(TEXT, &long[..1_500]), frame(FINAL | CONTINUATION, &long[..1_500])].concat(),
            Some(1009),
        ),
    ]
}

#[tokio::test]
async fn every_end_has_its_code() {
    let config = GatewayConfig { websocket_frame_bytes_max: 1_000, ..GatewayConfig::default() };
    let world = World::near_with(config);
    let tries = closings().into_iter().map(|(name, sent, expected)| {
        let world = &world;
        async move {
            let mut raw = Raw::chat(world).await;
            raw.send(&frame(FINAL | TEXT, br#"{"text": "a"}"#)).await;
            assert_eq!(raw.next_json().await["text"], "a", "{name}");
            raw.send(&sent).await;
            assert_eq!(raw.closed().await, expected, "{name}");
        }
    });
    futures::future::join_all(tries).await;
    world.await_open(0).await;
}

#[tokio::test]
async fn a_close_before_the_first_message_and_amid_answers_is_answered() {
    let world = World::near();
    for path in ["/v1/count", "/v1/count/1?hang=true", "/v1/count/1000000000", "/v1/sum/x"] {
        let mut raw = Raw::open(&world, path, "Sec-WebSocket-Version: 13\r\n").await;
        raw.send(&close(1000, b"done")).await;
        assert_eq!(raw.closed().await, Some(1000), "{path}");
    }
    world.await_open(0).await;
}

#[tokio::test]
async fn messages_in_fragments_are_whole_and_pings_between_them_answered() {
    let world = World::near();
    let mut raw = Raw::chat(&world).await;
    let parts = [
        frame(TEXT, br#"{"te"#),
        frame(FINAL | PING, b"mark"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, b"xt\": \"\xce"),
        frame(FINAL | PONG, b"nobody asked"),
        frame(FINAL | CONTINUATION, b"\xb1\"}"),
    ];
    for byte in parts.concat() {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.hear().await, (PONG, b"mark".to_vec()));
    assert_eq!(raw.next_json().await, json!({"room": "lobby", "text": "α"}));
    raw.send(&close(1000, b"")).await;
    assert_eq!(raw.closed().await, Some(1000));
}

#[tokio::test]
async fn another_version_of_the_protocol_is_told_the_right_one() {
    let world = World::near();
    let version = |text: &str| format!("Sec-WebSocket-Version: {text}\r\n");
    let twice = version("13") + &version("13");
    for version in [String::new(), version("8"), version("14"), version("x"), twice] {
        let raw = Raw::open(&world, "/v1/chat/lobby", &version).await;
        assert!(raw.answer.starts_with("HTTP/1.1 426"), "{version}: {}", raw.answer);
        assert!(raw.answer.contains("sec-websocket-version: 13\r\n"), "{}", raw.answer);
    }
    world.await_open(0).await;
}

fn impatient(heartbeat: Duration) -> World {
    World::near_with(GatewayConfig { heartbeat, ..GatewayConfig::default() })
}

/// Answers as many pings, and whatever else comes is only read.
async fn answer_pings(raw: &mut Raw, count: usize) {
    let mut answered = 0;
    while answered < count {
        match raw.hear().await {
            (PING, payload) => {
                raw.send(&frame(FINAL | PONG, &payload)).await;
                answered += 1;
            }
            (TEXT, _) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_answers_pings_lives_however_much_or_little_is_said() {
    let world = impatient(Duration::from_secs(1));
    // Messages all the time; one message and then none; none at all.
    let paths = ["/v1/count/1000000000", "/v1/count/1?hang=true", "/v1/sum/x"];
    let tries = paths.map(async |path| {
        let mut raw = Raw::open(&world, path, "Sec-WebSocket-Version: 13\r\n").await;
        // Longer than a silent client has.
        answer_pings(&mut raw, 5).await;
        raw.send(&close(1000, b"")).await;
        assert_eq!(raw.closed().await, Some(1000), "{path}");
    });
    futures::future::join_all(tries).await;
    world.await_open(0).await;
}

#[tokio::test]
async fn who_answers_no_pings_is_cut() {
    let world = impatient(Duration::from_millis(100));
    let paths = ["/v1/count/1000000000", "/v1/count/1?hang=true", "/v1/count", "/v1/sum/x"];
    let tries = paths.map(async |path| {
        let mut raw = Raw::open(&world, path, "Sec-WebSocket-Version: 13\r\n").await;
        assert_eq!(raw.closed().await, Some(1008), "{path}");
    });
    futures::future::join_all(tries).await;
    world.await_open(0).await;
}
