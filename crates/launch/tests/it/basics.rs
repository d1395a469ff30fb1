//! One port: gRPC, health, readiness, reflection, metrics and REST.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::echo::echo;
use crate::world::{reason, unary, world};

#[tokio::test]
async fn one_port_answers_everything() {
    let world = world(&[]).await;
    let answer = world.unary("GetEcho", echo("hello")).await.unwrap();
    assert_eq!(answer.get_ref().text, "hello");

    assert_eq!(world.get("/rest").await.text(), "rest");
    let live = world.get("/health").await;
    assert_eq!((live.status, live.text()), (200, r#"{"checks":{},"status":"healthy"}"#));
    let unknown = world.get("/nothing/here").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["details"][0]["reason"], "UNKNOWN_PATH");
    let wrong = world.http(http::Request::post("/health"), b"").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn readiness_tells_of_the_dependency_that_is_away() {
    let world = world(&[]).await;
    let ready = world.get("/ready").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("healthy")));
    assert_eq!(ready.json()["checks"]["database"]["status"], "healthy");

    world.database_up.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(550)).await;
    let ready = world.get("/ready").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(ready.json()["checks"]["database"]["error"], "the database is away");
}

#[tokio::test]
async fn grpc_health_is_by_service() {
    let world = world(&[]).await;
    let mut client = HealthClient::new(world.channel().await);
    for service in ["", "test.v1.Echo"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = client.check(request).await.unwrap().into_inner().status();
        assert_eq!(status.as_str_name(), "SERVING", "{service:?}");
    }
    let request = HealthCheckRequest { service: "other.v1.Service".to_owned() };
    assert_eq!(client.check(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn both_reflections_list_and_describe() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    let expected = ["grpc.health.v1.Health", "test.v1.Echo"];

    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}");
    };
    for name in expected.into_iter().chain(["grpc.reflection.v1.ServerReflection"]) {
        assert!(list.service.iter().any(|service| service.name == name), "{name}");
    }

    let symbol = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
        "test.v1.Echo".to_owned(),
    );
    let request =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files) =
        answer
    else {
        panic!("{answer:?}");
    };
    let file: prost_types::FileDescriptorProto =
        prost::Message::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    assert_eq!(file.service[0].method[0].name(), "GetEcho");
}

#[tokio::test]
async fn calls_are_measured_by_method_and_code() {
    let world = world(&[]).await;
    let channel = world.channel().await;
    for _ in 0..3 {
        unary(channel.clone(), "GetEcho", echo("hello")).await.unwrap();
    }
    let error = unary(channel.clone(), "NoSuchMethod", echo("")).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unimplemented, "UNIMPLEMENTED"));
    let mut stream = world.watch(crate::echo::Echo { count: 2, ..echo("fail") }).await.unwrap();
    while let Ok(Some(_)) = stream.message().await {}
    drop(world.watch(echo("left alone")).await.unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;

    let metrics = world.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    for line in [
        r#"grpc_server_handled_total{grpc_service="test.v1.Echo",grpc_method="GetEcho",grpc_code="OK"} 3"#,
        r#"grpc_server_handled_total{grpc_service="unknown",grpc_method="unknown",grpc_code="Unimplemented"} 1"#,
        r#"grpc_server_handled_total{grpc_service="test.v1.Echo",grpc_method="WatchEcho",grpc_code="Internal"} 1"#,
        r#"grpc_server_handled_total{grpc_service="test.v1.Echo",grpc_method="WatchEcho",grpc_code="Canceled"} 1"#,
        r#"grpc_server_handling_seconds_count{grpc_service="test.v1.Echo",grpc_method="GetEcho"} 3"#,
        r#"grpc_server_in_flight{grpc_service="test.v1.Echo",grpc_method="WatchEcho"} 0"#,
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n in\n{text}");
    }
    for name in ["process_resident_memory_bytes ", "process_open_fds ", "process_threads "] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line[name.len()..].parse::<f64>().unwrap() > 0.0, "{line}");
    }
    let open = http::Request::get("/metrics")
        .header("accept", "application/openmetrics-text; version=1.0.0");
    let open = world.http(open, b"").await;
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_port_file_holds_the_bound_port() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("port");
    let world = world(&[("port-file", path.to_str().unwrap())]).await;
    world.get("/health").await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", world.addr.port()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

#[tokio::test]
async fn a_watch_of_a_service_that_is_not_there_says_so_and_stays() {
    let world = world(&[]).await;
    let mut client = HealthClient::new(world.channel().await);
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut unknown = client.watch(request("other.v1.Service")).await.unwrap().into_inner();
    let first = unknown.message().await.unwrap().unwrap();
    assert_eq!(first.status().as_str_name(), "SERVICE_UNKNOWN");
    let more = tokio::time::timeout(std::time::Duration::from_millis(500), unknown.message()).await;
    assert!(more.is_err(), "the stream stays open: {more:?}");
    let mut known = client.watch(request("test.v1.Echo")).await.unwrap().into_inner();
    assert_eq!(known.message().await.unwrap().unwrap().status().as_str_name(), "SERVING");
}
