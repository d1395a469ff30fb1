//! Combat over REST.

use std::time::{Duration, Instant};

use gamemesh_contracts::combat::v1::combat_service_client::CombatServiceClient;
use gamemesh_testkit::{World, http};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use super::PATIENCE;

/// A call that is refused as long as nobody has the session is made again.
pub(super) async fn call(world: &World, method: &str, path: &str, body: &Value) -> Value {
    call_as(world, "", method, path, body).await
}

/// The same, of the holder of a token.
pub(super) async fn call_as(
    world: &World,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Value {
    let began = Instant::now();
    loop {
        let answer = send(world, &[("authorization", token)], method, path, body).await;
        if answer.status == 200 {
            return answer.json();
        }
        let moves = answer.status == 503 && answer.text().contains("NOT_SERVING");
        assert!(moves && began.elapsed() < PATIENCE, "{method} {path}: {}", answer.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One try of a call.
pub(super) async fn send(
    world: &World,
    headers: &[(&str, &str)],
    method: &str,
    path: &str,
    body: &Value,
) -> http::Answer {
    let mut request = ::http::Request::builder()
        .method(method)
        .uri(format!("/api/v1/combat{path}"))
        .header("content-type", "application/json");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http::send(&world.address(), request, body).await.unwrap()
}

/// A session that begins when two have entered it; its id.
pub(super) async fn create(world: &World, fields: Value) -> String {
    create_as(world, "", fields).await
}

pub(super) async fn create_as(world: &World, token: &str, fields: Value) -> String {
    let mut body = json!({
        "gameMode": "deathmatch",
        "mapId": "foundry",
        "maxPlayers": 4,
        "policy": {"idleGraceS": 600, "autoStartPlayers": 2},
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let session = call_as(world, token, "POST", "/sessions", &body).await;
    session["sessionId"].as_str().unwrap().to_owned()
}

pub(super) async fn get(world: &World, session: &str) -> Value {
    call(world, "GET", &format!("/sessions/{session}"), &Value::Null).await
}

/// Every event of a session as its replay has it.
pub(super) async fn events(world: &World, session: &str) -> Vec<Value> {
    let path = format!("/api/v1/combat/sessions/{session}/replay?eventsOnly=true");
    let request = ::http::Request::get(path).header("accept", "application/x-ndjson");
    let answer = http::send(&world.address(), request, "").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.flat_map(|line| line["frame"]["events"].as_array().cloned().unwrap_or_default()).collect()
}

/// The numbers of the events of a replay are 1, 2, 3 …
pub(super) fn assert_whole(events: &[Value]) {
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| event["seq"].as_str().map_or(0, |seq| seq.parse().unwrap()))
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

/// The log says of a session what was judged.
pub(super) async fn verify(world: &World, session: &str) {
    let path = format!("/sessions/{session}/replay:verify");
    let verified = call(world, "POST", &path, &json!({})).await;
    assert_eq!(verified["agrees"], true, "{verified}");
}

/// A metric without labels.
pub(super) async fn metric(world: &World, name: &str) -> f64 {
    let text = http::get(&world.address(), "/metrics").await.unwrap().text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// The gRPC side.
pub(super) async fn service(world: &World) -> CombatServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(world.url()).unwrap();
    CombatServiceClient::new(endpoint.connect().await.unwrap())
}
