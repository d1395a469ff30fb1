//! What browsers send: gRPC-Web, preflights, and the correlation id on everything.

use prost::Message as _;

use crate::echo::{Echo, echo};
use crate::world::{framed, with, world};

#[tokio::test]
async fn grpc_web_reaches_the_same_stack() {
    let world = world(&[]).await;
    let post = |path: &str| {
        http::Request::post(path)
            .header("content-type", "application/grpc-web+proto")
            .header("origin", "https://game.example")
            .header("x-correlation-id", "web-1")
    };
    let answer = world.http(post("/test.v1.Echo/GetEcho"), &framed(&echo("correlation"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-correlation-id"), "web-1");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-expose-headers").contains("grpc-status"));
    let (flag, length) =
        (answer.body[0], u32::from_be_bytes(answer.body[1..5].try_into().unwrap()));
    let (message, trailers) = answer.body[5..].split_at(length as usize);
    assert_eq!(flag, 0);
    assert_eq!(Echo::decode(message).unwrap().text, "web-1");
    assert_eq!(trailers[0], 0x80);
    assert!(String::from_utf8_lossy(&trailers[5..]).contains("grpc-status:0"));

    let refused = world.http(post("/test.v1.Echo/Nothing"), &framed(&echo(""))).await;
    let status = format!("{:?} {}", refused.headers, String::from_utf8_lossy(&refused.body));
    assert!(status.contains("grpc-status") && status.contains("12"), "{status}");
    let wrong = world.http(
        http::Request::get("/test.v1.Echo/GetEcho").header("content-type", "application/grpc-web"),
        b"",
    );
    assert_eq!(wrong.await.status, 405);
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_origins_only() {
    let preflight = || {
        http::Request::options("/rest")
            .header("origin", "https://game.example")
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "authorization,x-grpc-web")
    };
    let open = world(&[]).await.http(preflight(), b"").await;
    assert_eq!(open.header("access-control-allow-origin"), "*");
    assert!(open.header("access-control-allow-methods").contains("PUT"));
    assert_eq!(open.header("access-control-allow-headers"), "authorization,x-grpc-web");

    let own = world(&[("cors-origins", "https://game.example")]).await.http(preflight(), b"").await;
    assert_eq!(own.header("access-control-allow-origin"), "https://game.example");
    let other =
        world(&[("cors-origins", "https://other.example")]).await.http(preflight(), b"").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    let none = world(&[("cors-origins", "none")]).await.http(preflight(), b"").await;
    assert_eq!(none.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn the_correlation_id_is_on_every_answer() {
    let world = world(&[]).await;
    let id = |answer: &tonic::Response<Echo>| {
        answer.metadata().get("x-correlation-id").unwrap().to_str().unwrap().to_owned()
    };
    for (header, expected) in [("x-correlation-id", "mine"), ("x-request-id", "envoys")] {
        let request = with(echo("correlation"), &[(header, expected)]);
        let answer = world.unary("GetEcho", request).await.unwrap();
        assert_eq!((id(&answer).as_str(), answer.get_ref().text.as_str()), (expected, expected));
        let rest = world.http(http::Request::get("/rest").header(header, expected), b"").await;
        assert_eq!(rest.header("x-correlation-id"), expected);
    }
    let made = world.unary("GetEcho", echo("correlation")).await.unwrap();
    assert_eq!(id(&made), made.get_ref().text);
    assert_eq!(id(&made).len(), 32);

    let error = world.unary("GetEcho", with(echo("panic"), &[("x-correlation-id", "e")])).await;
    assert_eq!(error.unwrap_err().metadata().get("x-correlation-id").unwrap(), "e");
    assert_eq!(world.get("/no/such/path").await.header("x-correlation-id").len(), 32);
    assert_eq!(world.get("/metrics").await.header("x-correlation-id").len(), 32);
}
