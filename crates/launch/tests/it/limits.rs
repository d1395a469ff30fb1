//! Deadlines, shedding, rates.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::future::join_all;
use gamemesh_repository::{STORE_SECRET_BYTES, StoreSecret};
use gamemesh_rpc::auth::Role;
use gamemesh_rpc::forward::Mark;
use http::HeaderMap;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::auth::{SECRET, bearer};
use crate::echo::{Echo, echo};
use crate::world::{framed, mark, reason, unary, with, world};

const GET: &str = "/test.v1.Echo/GetEcho";

#[tokio::test]
async fn work_is_dropped_when_the_deadline_passes() {
    let world = world(&[]).await;
    let slow = Echo { wait_ms: 300, ..echo("slow") };
    let started = Instant::now();
    let error = world.post(GET, &[("grpc-timeout", "50m")], &framed(&slow)).await;
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    assert!(started.elapsed() < Duration::from_millis(250));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(world.echo.finished.load(Ordering::SeqCst), 0, "the handler went on");
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let world = world(&[]).await;
    let request = with(Echo { wait_ms: 20, ..echo("endless") }, &[("grpc-timeout", "200m")]);
    let mut stream = world.watch(request).await.unwrap();
    let mut count = 0;
    let error = loop {
        match stream.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("a stream without end ended"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    assert!(count >= 2, "{count}");
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_is_refused() {
    let world = world(&[]).await;
    for timeout in ["soon", "5s", "123456789S", "S"] {
        let error = world.post(GET, &[("grpc-timeout", timeout)], &framed(&echo(""))).await;
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::InvalidArgument, "INVALID_ARGUMENT")
        );
        let violation = &error.get_details_bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "grpc-timeout", "{timeout}");
    }
    let error = world.post(GET, &[("grpc-timeout", "0S")], &framed(&echo(""))).await;
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(world.echo.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_long_deadline_is_shortened() {
    let world = world(&[("max-deadline", "50ms")]).await;
    let slow = Echo { wait_ms: 300, ..echo("") };
    let error = world.post(GET, &[("grpc-timeout", "1H")], &framed(&slow)).await;
    assert_eq!(error.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn load_is_shed_at_once_and_probes_are_answered_all_the_same() {
    let world = world(&[("max-in-flight", "4")]).await;
    let channel = world.channel().await;
    let slow = || unary(channel.clone(), "PutEcho", Echo { wait_ms: 200, ..echo("") });
    let calls = join_all((0..10).map(|_| slow()));
    let probe = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let request = HealthCheckRequest { service: String::new() };
        HealthClient::new(channel.clone()).check(request).await.is_ok()
    };
    let (answers, alive) = tokio::join!(calls, probe);
    assert!(alive);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
        assert!(error.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::ZERO);
    }
    assert!(slow().await.is_ok(), "places are given back");

    // A stream that is being read is not work in hand.
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = world.watch(Echo { wait_ms: 1000, ..echo("") }).await.unwrap();
        stream.message().await.unwrap();
        streams.push(stream);
    }
    assert!(slow().await.is_ok());
}

#[tokio::test]
async fn one_caller_cannot_use_up_anothers_rate() {
    let world =
        world(&[("jwt-secret", SECRET), ("http-addr", "127.0.0.1:0"), ("rate-limit-read", "5")])
            .await;
    let channel = world.channel().await;
    let call = async |subject: &str, method: &'static str| {
        let token = bearer(&world, subject, Role::Player);
        unary(channel.clone(), method, with(echo("whoami"), &[("authorization", &token)])).await
    };
    let mut refused = None;
    for _ in 0..6 {
        refused = call("ann", "GetEcho").await.err();
    }
    let refused = refused.unwrap();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    assert!(call("bob", "GetEcho").await.is_ok());
    assert!(call("ann", "PutEcho").await.is_ok(), "writes are another class");
    tokio::time::sleep(wait + Duration::from_millis(5)).await;
    assert!(call("ann", "GetEcho").await.is_ok(), "the wait that was named is enough");
}

#[tokio::test]
async fn a_call_that_an_instance_passes_on_is_not_counted_again() {
    let flags = [("jwt-secret", SECRET), ("http-addr", "127.0.0.1:0"), ("rate-limit-read", "1")];
    let world = world(&flags).await;
    let channel = world.channel().await;
    let token = bearer(&world, "ann", Role::Player);
    let call = async |mark: Option<Mark>| {
        let mut request = with(echo("whoami"), &[("authorization", &token)]);
        if let Some(mark) = mark {
            let mut headers = HeaderMap::new();
            mark.put(&mut headers);
            request.metadata_mut().as_mut().extend(headers);
        }
        unary(channel.clone(), "GetEcho", request).await.map_err(|error| reason(&error))
    };
    let ours = mark(&world.clock);
    for _ in 0..5 {
        assert!(call(Some(ours.clone())).await.is_ok());
    }
    assert!(call(None).await.is_ok());
    // Whoever does not know the secret is counted, whatever he says.
    let guessed = Mark::new(&StoreSecret::new([8; STORE_SECRET_BYTES]), world.clock.clone());
    for mark in [None, Some(guessed)] {
        assert_eq!(call(mark).await.err().as_deref(), Some("RATE_LIMITED"));
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let world = world(&[("max-connections", "2")]).await;
    let first = world.channel().await;
    let second = world.channel().await;
    assert!(unary(first.clone(), "GetEcho", echo("")).await.is_ok());
    let third = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    let mut byte = [0];
    let closed = tokio::time::timeout(Duration::from_secs(2), third.peek(&mut byte)).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
    assert!(unary(first, "GetEcho", echo("")).await.is_ok());
    drop(second);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(world.unary("GetEcho", echo("")).await.is_ok(), "places are given back");
}

/// A stream that the server resets is over for its caller before it is for the server, which then counts
/// the caller's next one as too many.
#[tokio::test]
async fn a_refused_request_is_read_to_its_end_and_its_stream_is_not_reset() {
    /// Longer than it takes to refuse, and less than the rest of a request is waited for.
    const LATER: Duration = Duration::from_millis(10);
    let world = world(&[]).await;
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = || {
        http::Request::post(format!("http://{}{GET}", world.addr))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "soon")
            .body(())
            .unwrap()
    };
    let (refused, mut body) = client.send_request(request(), false).unwrap();
    tokio::time::sleep(LATER).await;
    body.send_data(framed(&echo("late")).into(), true).unwrap();
    let refused = refused.await.unwrap();
    assert_eq!(refused.headers()["grpc-status"], "3");
    let reset = tokio::time::timeout(LATER, poll_fn(|cx| body.poll_reset(cx))).await;
    assert!(!matches!(reset, Ok(Ok(_))), "{reset:?}");

    // Who does not send the rest is told all the same.
    let (refused, _body) = client.send_request(request(), false).unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
    assert_eq!(refused.unwrap().unwrap().headers()["grpc-status"], "3");
}
