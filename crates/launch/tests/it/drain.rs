//! The end of a process.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gamemesh_launch::Outcome;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::echo::{Echo, echo};
use crate::world::{reason, unary, world};

const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn what_was_begun_is_finished_and_nothing_new_begins() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let call = tokio::spawn(unary(channel, "PutEcho", Echo { wait_ms: 400, ..echo("last") }));
    let finite = Echo { wait_ms: 20, count: 30, ..echo("finite") };
    let mut finite = world.watch(finite).await.unwrap();
    let idle = Echo { wait_ms: 600_000, ..echo("idle") };
    let mut idle = world.watch(idle).await.unwrap();
    assert_eq!(idle.message().await.unwrap().unwrap().count, 1);
    tokio::time::sleep(MOMENT).await;

    world.trigger.stop();
    tokio::time::sleep(MOMENT).await;
    assert!(tokio::net::TcpStream::connect(world.addr).await.is_err(), "it still accepts");
    assert!(!world.flushed.load(Ordering::SeqCst), "flushed while calls are in flight");
    assert_eq!(call.await.unwrap().unwrap().get_ref().text, "last");
    let mut count = 0;
    while let Some(message) = finite.message().await.unwrap() {
        count = message.count;
    }
    assert_eq!(count, 30, "a stream that sends is not cut short");
    let error = idle.message().await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unavailable, "NOT_SERVING"));
    assert!(error.get_details_retry_info().unwrap().retry_delay.is_some());

    assert_eq!(world.served.await.unwrap().unwrap(), Outcome::Drained);
    assert!(world.flushed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_drain_timeout_ends_a_stream_that_never_would() {
    // One that pauses now and then, and one that always has something to send.
    for wait_ms in [20, 0] {
        let world = world(&[("drain-timeout", "300ms")]).await;
        let mut stream = world.watch(Echo { wait_ms, ..echo("long") }).await.unwrap();
        stream.message().await.unwrap();
        let started = Instant::now();
        world.trigger.stop();
        let error = loop {
            match stream.message().await {
                Ok(message) => assert!(message.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!((error.code(), reason(&error).as_str()), (Code::Unavailable, "NOT_SERVING"));
        assert_eq!(world.served.await.unwrap().unwrap(), Outcome::CutOff);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(world.flushed.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn a_stream_without_an_end_is_ended_at_once_also_while_it_sends() {
    for wait_ms in [600_000, 20, 0] {
        let world = world(&[]).await;
        let mut stream = world.watch(Echo { wait_ms, ..echo("endless") }).await.unwrap();
        stream.message().await.unwrap();
        world.trigger.stop();
        let error = loop {
            match stream.message().await {
                Ok(message) => assert!(message.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!((error.code(), reason(&error).as_str()), (Code::Unavailable, "NOT_SERVING"));
        assert_eq!(world.served.await.unwrap().unwrap(), Outcome::Drained);
    }
}

#[tokio::test]
async fn a_second_signal_aborts() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let call = tokio::spawn(unary(channel, "PutEcho", Echo { wait_ms: 60_000, ..echo("") }));
    tokio::time::sleep(MOMENT).await;
    world.trigger.stop();
    tokio::time::sleep(MOMENT).await;
    world.trigger.stop();
    let outcome = tokio::time::timeout(Duration::from_secs(2), world.served).await.unwrap();
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Aborted);
    assert_eq!(Outcome::Aborted.exit_code(), 130);
    call.abort();
}

#[tokio::test]
async fn an_idle_server_stops_at_once_and_an_idle_connection_does_not_hold_it() {
    let world = world(&[]).await;
    let _idle = world.channel().await;
    let silent = tokio::net::TcpStream::connect(world.addr).await.unwrap();
    tokio::time::sleep(MOMENT).await;
    drop(silent);
    let started = Instant::now();
    assert_eq!(world.stop().await, Outcome::Drained);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn readiness_goes_before_the_last_call_ends() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let request = tonic_health::pb::HealthCheckRequest { service: "test.v1.Echo".to_owned() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status.as_str_name(), "SERVING");
    let call = tokio::spawn(unary(channel, "PutEcho", Echo { wait_ms: 300, ..echo("") }));
    tokio::time::sleep(MOMENT).await;
    world.trigger.stop();
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status.as_str_name(), "NOT_SERVING");
    assert!(!call.is_finished());
    assert_eq!(world.lifecycle.phase(), gamemesh_rpc::lifecycle::Phase::Draining);
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn load_balancers_get_time_to_learn_that_it_ends() {
    let world = world(&[("drain-delay", "400ms")]).await;
    world.trigger.stop();
    tokio::time::sleep(MOMENT).await;
    // It says that it goes, and whoever has not heard it yet is served on a new connection.
    assert_eq!(world.get("/ready").await.status, 503);
    assert!(world.unary("GetEcho", echo("late")).await.is_ok());
    assert!(!world.served.is_finished());
    assert_eq!(world.served.await.unwrap().unwrap(), Outcome::Drained);
    assert!(tokio::net::TcpStream::connect(world.addr).await.is_err());
}

#[tokio::test]
async fn a_background_task_that_ends_stops_the_process_in_order() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let call = tokio::spawn(unary(channel, "PutEcho", Echo { wait_ms: 200, ..echo("last") }));
    tokio::time::sleep(MOMENT).await;
    world.die.notify_one();
    let error = world.served.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the background task echo idle ended");
    assert!(call.await.unwrap().is_ok());
    assert!(world.flushed.load(Ordering::SeqCst));
}
