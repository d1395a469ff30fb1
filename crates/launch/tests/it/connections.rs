//! Connections: how many an address, a caller and all strangers have, how long one is kept that is not
//! used, and what becomes of a client that begins calls only to give them up.

use std::time::Duration;

use gamemesh_rpc::auth::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::auth::{SECRET, bearer};
use crate::echo::{Echo, echo};
use crate::world::{World, framed, reason, unary, with, world};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it watches for what must not.
const MOMENT: Duration = Duration::from_millis(50);

/// A connection that has said which HTTP it speaks, and nothing else.
async fn silent(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    stream
}

async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut bytes = [0; 1024];
    let closed = async {
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(within, closed).await.is_ok()
}

/// Asks again until there is an answer.
async fn within<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let answered = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(MOMENT).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("it never happens")
}

/// Waits until one more connection is not closed.
async fn may_come(world: &World) {
    within(async || {
        let mut stream = silent(world).await;
        (!is_closed(&mut stream, MOMENT).await).then_some(())
    })
    .await;
}

async fn metric(world: &World, name: &str) -> i64 {
    let text = world.get("/metrics").await.text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |line| line.parse().unwrap())
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let world = world(&[("max-address-connections", "3"), ("trusted-proxies", "none")]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(silent(&world).await);
    }
    assert!(is_closed(&mut silent(&world).await, PATIENCE).await);
    assert!(!is_closed(&mut held[0], MOMENT).await);
    drop(held);
    may_come(&world).await;
    assert!(world.unary("GetEcho", echo("")).await.is_ok(), "places are given back");
    assert!(metric(&world, "gamemesh_connections_limited_total{reason=\"address\"}").await >= 1);
}

#[tokio::test]
async fn behind_a_proxy_it_is_whom_the_proxy_stands_for() {
    let flags = [("max-address-connections", "2"), ("trusted-proxies", "127.0.0.0/8")];
    let world = world(&flags).await;
    let call =
        |from: &'static str| world.unary("GetEcho", with(echo(""), &[("x-forwarded-for", from)]));
    let mut open = JoinSet::new();
    for _ in 0..2 {
        let slow = Echo { wait_ms: 600_000, ..echo("") };
        let slow = with(slow, &[("x-forwarded-for", "6.6.6.6, 1.2.3.4")]);
        open.spawn(unary(world.channel().await, "GetEcho", slow));
    }
    let refused = within(async || call("1.2.3.4").await.err()).await;
    assert_eq!(reason(&refused), "OVERLOADED");
    assert!(call("7.7.7.7").await.is_ok());
    open.shutdown().await;
    within(async || call("1.2.3.4").await.ok()).await;
    let rest = http::Request::get("/rest").header("x-forwarded-for", "1.2.3.4");
    assert_eq!(world.http(rest, b"").await.status, 200);
}

#[tokio::test]
async fn places_are_kept_for_those_who_have_shown_a_token() {
    let flags =
        [("jwt-secret", SECRET), ("trusted-proxies", "none"), ("max-stranger-connections", "4")];
    let world = world(&flags).await;
    let token = bearer(&world, "ann", Role::Player);
    let known = world.channel().await;
    let call = || unary(known.clone(), "GetEcho", with(echo(""), &[("authorization", &token)]));
    assert!(call().await.is_ok());
    let mut strangers = Vec::new();
    for _ in 0..10 {
        strangers.push(silent(&world).await);
        assert!(call().await.is_ok());
        // Newcomers have a moment to say who they are.
        let newcomer = with(echo(""), &[("authorization", &token)]);
        assert!(world.unary("GetEcho", newcomer).await.is_ok());
    }
    for (at, stranger) in strangers.iter_mut().enumerate() {
        let wait = if at < 7 { PATIENCE } else { MOMENT };
        assert_eq!(is_closed(stranger, wait).await, at < 7, "the oldest are closed: {at}");
    }
    assert!(call().await.is_ok());
}

#[tokio::test]
async fn a_caller_has_so_many_connections() {
    let flags =
        [("jwt-secret", SECRET), ("trusted-proxies", "none"), ("max-player-connections", "2")];
    let world = world(&flags).await;
    let call = async |subject: &str, role| {
        let channel = world.channel().await;
        let token = bearer(&world, subject, role);
        let request = with(echo(""), &[("authorization", &token)]);
        unary(channel.clone(), "GetEcho", request).await.map(|_| channel)
    };
    let held = (call("ann", Role::Player).await.unwrap(), call("ann", Role::Player).await.unwrap());
    assert_eq!(reason(&call("ann", Role::Player).await.unwrap_err()), "OVERLOADED");
    assert!(call("bob", Role::Player).await.is_ok());
    assert!(call("gs", Role::GameServer).await.is_ok());
    drop(held);
    within(async || call("ann", Role::Player).await.ok()).await;
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed_and_one_that_waits_is_not() {
    let flags = [
        ("jwt-secret", SECRET),
        ("trusted-proxies", "none"),
        ("idle-timeout", "1s"),
        ("stranger-idle-timeout", "1s"),
    ];
    let world = world(&flags).await;
    let token = bearer(&world, "ann", Role::Player);
    let watching = with(Echo { wait_ms: 6_000, ..echo("w") }, &[("authorization", &token)]);
    let mut watch = world.watch(watching).await.unwrap();
    assert!(watch.message().await.unwrap().is_some());
    assert!(is_closed(&mut silent(&world).await, PATIENCE).await);
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let request = http::Request::post("http://a/test.v1.Echo/GetEcho")
        .header("content-type", "application/grpc")
        .header("authorization", &token)
        .body(())
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(framed(&echo("")).into(), true).unwrap();
    answer.await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    assert!(ended.is_ok(), "a connection without a call is closed");
    // Its stream is a call, however long it says nothing.
    assert!(watch.message().await.unwrap().is_some());
}

#[tokio::test]
async fn calls_that_are_given_up_end_the_connection_and_its_address_has_a_pause() {
    let world =
        world(&[("max-resets", "50"), ("reset-pause", "8s"), ("trusted-proxies", "none")]).await;
    let before = world.channel().await;
    // Who gives up one in two that are answered goes on.
    for _ in 0..80 {
        assert!(unary(before.clone(), "GetEcho", echo("")).await.is_ok());
        let slow = unary(before.clone(), "GetEcho", Echo { wait_ms: 5_000, ..echo("") });
        assert!(tokio::time::timeout(Duration::from_millis(5), slow).await.is_err());
    }
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..2_000 {
        let Ok(ready) = client.ready().await else { break };
        client = ready;
        let request = http::Request::post("http://a/test.v1.Echo/GetEcho")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let Ok((_, mut body)) = client.send_request(request, false) else { break };
        // What is not on its way yet would never be sent.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        body.send_reset(h2::Reason::CANCEL);
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(PATIENCE, connection)
        .await
        .expect("the connection is ended")
        .unwrap()
        .ok();
    assert!(is_closed(&mut silent(&world).await, PATIENCE).await, "it may not come back yet");
    assert!(unary(before, "GetEcho", echo("")).await.is_ok(), "others of the address go on");
    may_come(&world).await;
    assert!(world.unary("GetEcho", echo("")).await.is_ok(), "after its pause");
    assert_eq!(metric(&world, "gamemesh_connections_reset_ended_total").await, 1);
}

#[tokio::test]
async fn a_caller_has_so_many_streams_open() {
    let world = world(&[("jwt-secret", SECRET), ("max-player-streams", "2")]).await;
    let watch = |subject: &str, role| {
        let silent = Echo { wait_ms: 600_000, ..echo("w") };
        world.watch(with(silent, &[("authorization", &bearer(&world, subject, role))]))
    };
    let held =
        (watch("ann", Role::Player).await.unwrap(), watch("ann", Role::Player).await.unwrap());
    let refused = watch("ann", Role::Player).await.map(drop).unwrap_err();
    assert_eq!(reason(&refused), "OVERLOADED");
    let token = bearer(&world, "ann", Role::Player);
    let call = with(echo(""), &[("authorization", &token)]);
    assert!(world.unary("GetEcho", call).await.is_ok(), "a call is no stream");
    assert!(watch("bob", Role::Player).await.is_ok());
    drop(held);
    within(async || watch("ann", Role::Player).await.ok()).await;
}
