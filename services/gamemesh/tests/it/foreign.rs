//! The gateway alone, in front of a server that this project knows nothing of.

mod arcade;

use std::process::Command;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use gamemesh_testkit::{binary, http};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use self::arcade::Arcade;

/// The gateway's process, ended when this is dropped.
struct Gateway {
    child: std::process::Child,
    address: String,
    _folder: TempDir,
}

impl Gateway {
    async fn before(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let set = folder.path().join("arcade.binpb");
        std::fs::write(&set, arcade::descriptors()).unwrap();
        let port_file = folder.path().join("port");
        let child = Command::new(binary())
            .args(["gateway", "--listen", "127.0.0.1:0", "--upstream", upstream])
            .arg("--descriptor-set")
            .arg(&set)
            .arg("--port-file")
            .arg(&port_file)
            .spawn()
            .unwrap();
        let port = loop {
            if let Ok(port) = std::fs::read_to_string(&port_file) {
                break port;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        Self { child, address: format!("127.0.0.1:{}", port.trim()), _folder: folder }
    }

    /// Readiness is asked of the upstream server every few seconds.
    async fn wait_until(&self, path: &str, status: u16) {
        let began = std::time::Instant::now();
        while self.get(path).await.status != status {
            assert!(began.elapsed().as_secs() < 20, "{path} does not become {status}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    async fn get(&self, path: &str) -> http::Answer {
        http::get(&self.address, path).await.unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn unary_calls_with_every_kind_of_field() {
    let arcade = Arcade::start().await;
    let gateway = Gateway::before(&arcade.url()).await;

    let path = "/v1/arcade/ann%20b/score?season=SEASON_SPRING&since=2026-01-31T12:00:00Z&tags=a&tags=b&detail.note=hi";
    let got = gateway.get(path).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let score = got.json();
    assert_eq!(score["player"], "ann b");
    assert_eq!(score["season"], "SEASON_SPRING");
    assert_eq!(score["at"], "2026-01-31T12:00:00Z");
    assert_eq!(score["tags"], json!(["a", "b"]));
    assert_eq!(score["detail"]["note"], "hi");

    let deep = gateway.get("/v1/cabinets/7/players/ann/second:score").await.json();
    assert_eq!(deep["player"], "cabinets/7/players/ann/second");

    let sent = json!({
        "player": "bob", "points": "9007199254740993", "rate": "NaN", "badge": "AQID/w==",
        "at": "2026-01-31T12:00:00.250Z", "tally": {"left": 1, "right": 2}, "season": 1,
        "took": "1.500s", "ranked": false, "detail": {"seed": "18446744073709551615", "note": ""},
        "tags": [],
    });
    let submitted =
        http::send_json(&gateway.address, "POST", "/v1/arcade/scores", &sent).await.unwrap();
    assert_eq!(submitted.status, 200, "{}", submitted.text());
    let mut expected = sent;
    expected["season"] = json!("SEASON_SPRING");
    assert_eq!(submitted.json(), expected);

    let detail = json!({"note": "only this"});
    let put =
        http::send_json(&gateway.address, "PUT", "/v1/arcade/eve/detail", &detail).await.unwrap();
    assert_eq!(put.json(), json!({"note": "only this", "seed": "0"}));
}

#[tokio::test]
async fn refusals_of_the_gateway_and_of_the_server() {
    let mut arcade = Arcade::start().await;
    let gateway = Gateway::before(&arcade.url()).await;

    let unknown = gateway.get("/v1/nowhere").await;
    assert_eq!((unknown.status.as_u16(), unknown.json()["code"].clone()), (404, json!(5)));
    let method = gateway.get("/v1/arcade/scores").await;
    assert_eq!(method.status, 405);
    assert!(method.header("allow").unwrap().contains("POST"), "{method:?}");
    let field = json!({"player": "a", "pionts": 3});
    let field =
        http::send_json(&gateway.address, "POST", "/v1/arcade/scores", &field).await.unwrap();
    assert_eq!(field.status, 400);
    assert!(field.text().contains("pionts"), "{}", field.text());

    let refused = gateway.get("/v1/arcade/nobody/score").await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["message"], "no such player");
    let token = http::send(
        &gateway.address,
        ::http::Request::get("/v1/arcade/whoami/score").header("authorization", "Bearer t0ken"),
        Bytes::new(),
    )
    .await
    .unwrap();
    assert_eq!(token.json()["detail"]["note"], "Bearer t0ken");

    arcade.stop();
    let away = gateway.get("/v1/arcade/ann/score").await;
    assert_eq!(away.status, 503, "{}", away.text());
    gateway.wait_until("/ready", 503).await;
    assert_eq!(gateway.get("/health").await.status, 200);
}

#[tokio::test]
async fn streams_as_lines_as_events_and_over_a_websocket() {
    let arcade = Arcade::start().await;
    let gateway = Gateway::before(&arcade.url()).await;

    let lines = gateway.get("/v1/arcade/ann/score:follow").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let points: Vec<Value> = lines
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| line.get("result").unwrap_or(&line)["points"].clone())
        .collect();
    assert_eq!(points, [json!("1"), json!("2"), json!("3")]);

    let request =
        ::http::Request::get("/v1/arcade/ann/score:follow").header("accept", "text/event-stream");
    let events = http::send(&gateway.address, request, Bytes::new()).await.unwrap();
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let data = events.text().lines().filter(|line| line.starts_with("data:")).count();
    assert!(data >= 3, "{}", events.text());

    let url = format!("ws://{}/v1/arcade:play", gateway.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for n in 1..=3 {
        let score = json!({"player": "ann", "points": n.to_string()}).to_string();
        socket.send(Message::text(score)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["points"], (n * 10).to_string(), "{answer}");
    }
}

#[tokio::test]
async fn the_api_page_shows_the_foreign_service() {
    let arcade = Arcade::start().await;
    let gateway = Gateway::before(&arcade.url()).await;
    let openapi = gateway.get("/openapi.json").await.json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.0"));
    assert!(openapi["paths"]["/v1/arcade/{player}/score"]["get"].is_object(), "{openapi}");
}

#[test]
fn a_wrong_descriptor_set_is_a_configuration_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not.binpb");
    std::fs::write(&file, b"\xff\xff not descriptors").unwrap();
    let file = file.to_str().unwrap();
    let wrong = ["gateway", "--upstream", "http://127.0.0.1:1", "--descriptor-set", file];
    let ran = gamemesh_testkit::cli::run(&wrong).unwrap();
    assert_eq!(ran.exit, 64, "{ran:?}");
    let missing = ["gateway", "--upstream", "http://127.0.0.1:1", "--descriptor-set", "/no/such"];
    assert_eq!(gamemesh_testkit::cli::run(&missing).unwrap().exit, 64);
}
