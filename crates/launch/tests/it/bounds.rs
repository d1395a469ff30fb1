//! What a client costs that sends little, late or never: bytes, time and places have bounds, and whoever
//! stays within them does not notice.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use gamemesh_rpc::auth::Role;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::auth::{SECRET, bearer};
use crate::echo::{Echo, echo};
use crate::world::{World, framed, reason, unary, with, world};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

const GET: &str = "/test.v1.Echo/GetEcho";

/// A connection that sends what it is told to.
async fn raw(world: &World) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(1 << 20).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Begins a call and sends so much of its message.
async fn begin(
    client: &SendRequest<Bytes>,
    token: &str,
    part: &[u8],
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = client.clone().ready().await.unwrap();
    let request = http::Request::post(format!("http://127.0.0.1{GET}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", token)
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::copy_from_slice(part), false).unwrap();
    (answer, body)
}

/// The status of an answer that is one.
async fn status(answer: ResponseFuture) -> Status {
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    Status::from_header_map(answer.headers()).expect("a refusal")
}

fn large(bytes: usize) -> Vec<u8> {
    framed(&Echo { bulk: vec![7; bytes], ..echo("") })
}

async fn metric(world: &World, name: &str) -> i64 {
    let text = world.get("/metrics").await.text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

/// Waits until a metric has this value.
async fn shows(world: &World, name: &str, value: i64) {
    let reached = async {
        while metric(world, name).await != value {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, reached).await;
    assert!(in_time.is_ok(), "{name} is {} and not {value}", metric(world, name).await);
}

#[tokio::test]
async fn bytes_that_are_being_received_have_a_bound_for_a_connection_and_for_all() {
    let flags = [("max-receiving-bytes", "256KiB"), ("max-connection-receiving-bytes", "128KiB")];
    let world = world(&flags).await;
    let message = large(100 << 10);
    // Two fit a connection, four all of them.
    let part = &message[..60 << 10];
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for connection in 0..5 {
        let client = raw(&world).await;
        for call in 0..3 {
            let (answer, body) = begin(&client, "", part).await;
            if connection < 2 && call < 2 {
                held.push((answer, body));
            } else {
                refused.push(status(answer).await);
            }
            shows(&world, "gamemesh_receiving_bytes", held.len() as i64 * (60 << 10)).await;
        }
    }
    shows(&world, "gamemesh_receiving_refused_total", 11).await;
    for status in refused {
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
    }
    // Who sends what fits at once does not notice.
    assert!(world.unary("GetEcho", echo("well")).await.is_ok());
    drop(held);
    shows(&world, "gamemesh_receiving_bytes", 0).await;
    let bulk = vec![7; 100 << 10];
    assert!(world.unary("GetEcho", Echo { bulk, ..echo("") }).await.is_ok());
}

#[tokio::test]
async fn a_message_has_a_time_and_a_least_pace() {
    let world = world(&[("body-grace", "2s"), ("min-body-rate", "256KiB")]).await;
    let client = raw(&world).await;
    let message = large(200 << 10);
    // Nothing, a part, and all of it but the end.
    let late = join_all([0, 3, 1_000, message.len()].map(|part| {
        let (client, message) = (&client, &message);
        async move {
            let (answer, _body) = begin(client, "", &message[..part]).await;
            (part, status(answer).await)
        }
    }));
    for (part, status) in late.await {
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            "{part} bytes"
        );
    }
    assert_eq!(metric(&world, "gamemesh_receiving_late_total").await, 4);
    // Slow, yet at the pace.
    let (answer, mut body) = begin(&client, "", &message[..1]).await;
    for part in message[1..].chunks(40 << 10) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        body.send_data(Bytes::copy_from_slice(part), false).unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let answer = answer.await.unwrap();
    assert!(Status::from_header_map(answer.headers()).is_none(), "{answer:?}");
}

#[tokio::test]
async fn a_call_whose_message_is_not_there_has_no_place() {
    let world = world(&[("max-in-flight", "4")]).await;
    let client = raw(&world).await;
    let message = large(100);
    let parts = [0, 5, 50, message.len()];
    let mut held = join_all((0..40).map(|n| begin(&client, "", &message[..parts[n % 4]]))).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..20 {
        assert!(world.unary("GetEcho", echo("honest")).await.is_ok());
    }
    // When they are whole they are counted.
    for (at, (_, body)) in held.iter_mut().enumerate() {
        body.send_data(Bytes::copy_from_slice(&message[parts[at % 4]..]), true).unwrap();
    }
    let answers = join_all(held.into_iter().map(|(answer, _)| answer)).await;
    let served = |answer: &Result<http::Response<_>, _>| {
        answer.as_ref().is_ok_and(|answer| !answer.headers().contains_key("grpc-status"))
    };
    assert!(answers.iter().any(served));
}

#[tokio::test]
async fn nobody_has_more_than_his_share_and_administrators_keep_theirs() {
    let flags = [("jwt-secret", SECRET), ("max-in-flight", "32"), ("max-in-flight-player", "8")];
    let world = world(&flags).await;
    let channel = world.channel().await;
    let slow = |token: String| {
        let slow = Echo { wait_ms: 3_000, ..echo("slow") };
        unary(channel.clone(), "GetEcho", with(slow, &[("authorization", &token)]))
    };
    let players = (0..5).map(|n| bearer(&world, &format!("p{n}"), Role::Player));
    let calls = join_all(players.flat_map(|token| vec![token; 20]).map(slow));
    let admin = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let token = bearer(&world, "root", Role::Admin);
        let quick =
            || unary(channel.clone(), "GetEcho", with(echo(""), &[("authorization", &token)]));
        let mut refused = 0;
        for _ in 0..50 {
            refused += usize::from(quick().await.is_err());
        }
        refused
    };
    let (answers, refused) = tokio::join!(calls, admin);
    assert_eq!(refused, 0, "an administrator was refused");
    let served: Vec<usize> =
        answers.chunks(20).map(|of_one| of_one.iter().filter(|a| a.is_ok()).count()).collect();
    assert!(served.iter().all(|served| *served <= 8), "{served:?}");
    assert_eq!(served.iter().sum::<usize>(), 30, "two of 32 places are kept: {served:?}");
}
