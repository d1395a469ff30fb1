//! Bytes that no honest client sends. Each gets a typed answer or a closed connection, and the
//! process goes on.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use crate::echo::{Echo, echo};
use crate::world::{frame, reason, unary, world};

#[tokio::test]
async fn malformed_requests_get_a_reason() {
    let world = world(&[("max-request-bytes", "4KiB")]).await;
    let big = frame(0, 5000, &vec![b'x'; 5000]);
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Vec<u8>, Code, &'a str);
    let get = "/test.v1.Echo/GetEcho";
    let table: Vec<Row<'_>> = vec![
        ("empty", get, &[], vec![], Code::InvalidArgument, "MALFORMED_BODY"),
        (
            "truncated message",
            get,
            &[],
            frame(0, 100, b"abc"),
            Code::InvalidArgument,
            "MALFORMED_BODY",
        ),
        ("truncated prefix", get, &[], vec![0, 0], Code::InvalidArgument, "MALFORMED_BODY"),
        (
            "not protobuf",
            get,
            &[],
            frame(0, 4, b"\xff\xff\xff\xff"),
            Code::InvalidArgument,
            "MALFORMED_BODY",
        ),
        (
            "wrong wire type",
            get,
            &[],
            frame(0, 2, b"\x08\x01"),
            Code::InvalidArgument,
            "MALFORMED_BODY",
        ),
        (
            "not UTF-8",
            get,
            &[],
            frame(0, 3, b"\x0a\x01\xff"),
            Code::InvalidArgument,
            "MALFORMED_BODY",
        ),
        ("flag 7", get, &[], frame(7, 0, b""), Code::InvalidArgument, "MALFORMED_BODY"),
        (
            "compressed, unsaid",
            get,
            &[],
            frame(1, 3, b"abc"),
            Code::InvalidArgument,
            "MALFORMED_BODY",
        ),
        (
            "unknown encoding",
            get,
            &[("grpc-encoding", "br")],
            frame(1, 3, b"abc"),
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
        ("too large", get, &[], big, Code::ResourceExhausted, "PAYLOAD_TOO_LARGE"),
        (
            "length of 4 GiB",
            get,
            &[],
            frame(0, u32::MAX, b"abc"),
            Code::ResourceExhausted,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "unknown method",
            "/test.v1.Echo/Nothing",
            &[],
            frame(0, 0, b""),
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
        (
            "unknown service",
            "/no.Such/Thing",
            &[],
            frame(0, 0, b""),
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
        ("no method", "/", &[], frame(0, 0, b""), Code::Unimplemented, "UNIMPLEMENTED"),
    ];
    for (what, path, headers, body, code, expected) in table {
        let status = world.post(path, headers, &body).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (code, expected),
            "{what}: {status:?}"
        );
        assert!(!status.message().is_empty(), "{what}");
        assert!(world.unary("GetEcho", echo("well")).await.is_ok(), "after {what}");
    }
}

#[tokio::test]
async fn a_panic_harms_its_own_call_only() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let slow = tokio::spawn(unary(channel.clone(), "GetEcho", Echo { wait_ms: 200, ..echo("") }));
    let error = unary(channel.clone(), "GetEcho", echo("panic")).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!error.message().contains("asked to"), "{error:?}");
    let mut stream = world.watch(Echo { wait_ms: 1, ..echo("panic") }).await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
    let error = stream.message().await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Internal, "INTERNAL"));
    assert!(slow.await.unwrap().is_ok());
}

#[tokio::test]
async fn grpc_over_http_1_is_told_what_to_do() {
    let world = world(&[]).await;
    let request =
        http::Request::post("/test.v1.Echo/GetEcho").header("content-type", "application/grpc");
    let answer = world.http(request, &frame(0, 0, b"")).await;
    assert_eq!(answer.status, 415);
    assert_eq!(answer.json()["details"][0]["reason"], "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn garbage_on_the_port_is_answered_by_closing() {
    let world = world(&[]).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let endless = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 200_000]].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("noise", (0..=255).cycle().take(4096).collect()),
        ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("half a preface, then noise", [&preface[..10], b"\0\0\0\0"].concat()),
        ("preface, then noise", [preface.as_slice(), &[0xff; 64]].concat()),
        (
            "preface, then a frame too large",
            [preface.as_slice(), b"\xff\xff\xff\x00\x00\0\0\0\x01"].concat(),
        ),
        ("endless headers", endless),
        (
            "two lengths",
            b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(),
        ),
        ("spaces", b"GET  /  HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in table {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        // A server that has seen enough may close before it has read everything.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect(what);
        assert!(world.unary("GetEcho", echo("well")).await.is_ok(), "after {what}");
    }
}

/// The status line of the answer to raw bytes, after which the connection ends.
async fn status_of(addr: std::net::SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ =
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("an answer and an end");
    String::from_utf8_lossy(&answer).split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_is_asked_and_where_a_request_ends_is_said_once() {
    let world = world(&[]).await;
    let close = "Connection: close\r\n";
    let table = [
        ("", "400"),
        ("Host: a\r\nHost: a\r\n", "400"),
        ("Host: a\r\nHost: b\r\n", "400"),
        ("Host: a b\r\n", "400"),
        ("Host: u@a\r\n", "400"),
        ("Host: a/b\r\n", "400"),
        ("Host: a:x\r\n", "400"),
        ("Host: a:99999\r\n", "400"),
        ("Host: a:80\r\n", "200"),
        ("Host: [::1]:80\r\n", "200"),
    ];
    for (host, status) in table {
        let request = format!("GET /rest HTTP/1.1\r\n{host}{close}\r\n");
        assert_eq!(status_of(world.addr, &request).await, status, "{host:?}");
    }
    assert_eq!(status_of(world.addr, "GET /rest HTTP/1.0\r\n\r\n").await, "200");
    let table = [
        ("Transfer-Encoding: chunked\r\n", "200"),
        ("Transfer-Encoding: Chunked\r\n", "200"),
        ("Transfer-Encoding: gzip, chunked\r\n", "400"),
        ("Transfer-Encoding: chunked, chunked\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "400"),
        ("Transfer-Encoding: identity, chunked\r\n", "400"),
    ];
    for (coding, status) in table {
        let request = format!("GET /rest HTTP/1.1\r\nHost: a\r\n{coding}{close}\r\n0\r\n\r\n");
        assert_eq!(status_of(world.addr, &request).await, status, "{coding:?}");
    }
}

#[tokio::test]
async fn those_who_send_nothing_are_not_waited_for() {
    let world = world(&[]).await;
    let started = Instant::now();
    let mut waiting = Vec::new();
    for bytes in [b"".as_slice(), b"PRI * HT", b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut stream = TcpStream::connect(world.addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        waiting.push(tokio::spawn(async move {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        }));
    }
    for closed in waiting {
        tokio::time::timeout(Duration::from_secs(15), closed).await.unwrap().unwrap();
    }
    assert!(started.elapsed() > Duration::from_secs(5), "an honest slow client needs some time");
}
