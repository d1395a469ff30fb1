//! Refusals of services as HTTP.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn codes_become_http_statuses() {
    let world = World::near();
    let canonical = [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ];
    for (code, status) in canonical {
        let answer = world
            .send("POST /v1/fail", &json!({"code": code, "message": "no ✓ \"way\""}).to_string())
            .await;
        assert_eq!(answer.status, status, "code {code}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json()["code"], code);
        assert_eq!(answer.json()["message"], "no ✓ \"way\"");
        assert_eq!(answer.header("www-authenticate"), if code == 16 { "Bearer" } else { "" });
    }
}

#[tokio::test]
async fn our_own_reasons_have_their_own_status() {
    let world = World::near();
    let cases = [
        ("PAYLOAD_TOO_LARGE", "gamemesh", 413),
        ("METHOD_NOT_ALLOWED", "gamemesh", 405),
        ("PAYLOAD_TOO_LARGE", "elsewhere", 429),
        ("UNHEARD_OF", "gamemesh", 429),
    ];
    for (reason, domain, status) in cases {
        let body = json!({"code": 8, "reason": reason, "domain": domain}).to_string();
        assert_eq!(world.send("POST /v1/fail", &body).await.status, status, "{reason} of {domain}");
    }
}

#[tokio::test]
async fn details_are_shown_in_json() {
    for world in [World::near(), World::far().await] {
        let body = json!({
            "code": 8, "message": "later", "reason": "TIRED", "domain": "d", "retryAfter": "1.5s", "fields": ["a.b", "c"],
        });
        let answer = world.send("POST /v1/fail", &body.to_string()).await;
        assert_eq!(answer.header("retry-after"), "2");
        let details = answer.json()["details"].as_array().cloned().unwrap_or_default();
        let find = |name: &str| -> Value {
            let name = format!("type.googleapis.com/google.rpc.{name}");
            details
                .iter()
                .find(|d| d["@type"] == name.as_str())
                .cloned()
                .unwrap_or_else(|| panic!("{name}: {details:?}"))
        };
        assert_eq!(find("ErrorInfo")["reason"], "TIRED");
        assert_eq!(find("ErrorInfo")["metadata"], json!({"asked": "yes"}));
        assert_eq!(find("RetryInfo")["retryDelay"], "1.500s");
        assert_eq!(find("BadRequest")["fieldViolations"][1]["field"], "c");
        assert_eq!(details.len(), 3);
    }
}

#[tokio::test]
async fn details_of_any_type_are_shown_and_broken_ones_left_out() {
    let answer = World::near().send("POST /v1/fail", r#"{"code": 3, "customDetail": true}"#).await;
    let expected = json!([
        {"@type": "type.googleapis.com/foreign.v1.Named", "name": "n", "view": "", "pageSize": 0},
        {"@type": "type.googleapis.com/unheard.v1.Of", "value": "AQID"},
    ]);
    assert_eq!(answer.json()["details"], expected);
}

#[tokio::test]
async fn a_service_that_is_away_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    drop(listener);
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .expect("a URI")
        .connect_lazy();
    let world = World::before(gamemesh_gateway::boxed_upstream(channel));
    let answer = world.send("GET /v1/things/1", "").await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (503, "DEPENDENCY_UNAVAILABLE"));
    assert!(!answer.text().contains("127.0.0.1"), "inner addresses stay inside: {}", answer.text());
}

/// What the caller did not do: hyper says that a request was cancelled when its connection ended first.
#[tokio::test]
async fn a_connection_that_ended_before_the_request_is_unavailable() {
    let ended = tower::service_fn(|request: http::Request<tonic::body::Body>| async {
        let (near, _far) = tokio::io::duplex(1024);
        let executor = hyper_util::rt::TokioExecutor::new();
        let io = hyper_util::rt::TokioIo::new(near);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, io).await.expect("nothing is awaited");
        drop(connection);
        let error = sender.send_request(request).await.expect_err("the connection has ended");
        assert!(error.is_canceled(), "{error:?}");
        Err::<http::Response<tonic::body::Body>, _>(error)
    });
    let world = World::before(gamemesh_gateway::boxed_upstream(ended));
    let answer = world.send("GET /v1/things/1", "").await;
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (503, "DEPENDENCY_UNAVAILABLE"));
}

#[tokio::test]
async fn an_rpc_that_the_service_lacks_is_unimplemented() {
    let routes = tonic::service::Routes::default();
    let world = World::before(gamemesh_gateway::boxed_upstream(routes));
    assert_eq!(world.send("GET /v1/things/1", "").await.status, 501);
}
