//! Bearer tokens over the wire.

use std::time::Duration;

use gamemesh_repository::{STORE_SECRET_BYTES, StoreSecret};
use gamemesh_rpc::auth::{Grant, Principal, Role, issue};
use gamemesh_rpc::config::{AuthConfig, Secret};
use gamemesh_rpc::forward::Mark;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1;

use crate::echo::echo;
use crate::world::{World, mark, reason, with, world};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn bearer(world: &World, subject: &str, role: Role) -> String {
    let secret = Secret::new(SECRET);
    let config = AuthConfig { jwt_secret: Some(secret.clone()), ..AuthConfig::default() };
    let grant = Grant {
        subject: subject.to_owned(),
        role,
        player_id: None,
        lifetime: Duration::from_secs(60),
    };
    format!("Bearer {}", issue(&secret, &grant, &config, &world.clock).unwrap())
}

#[tokio::test]
async fn a_token_reaches_what_its_role_may() {
    let world = world(&[("jwt-secret", SECRET)]).await;
    let call = async |text: &str, token: &str| {
        let request = with(echo(text), &[("authorization", token)]);
        world.unary("GetEcho", request).await.map(|answer| answer.into_inner().text)
    };
    let ann = bearer(&world, "ann", Role::Player);
    assert_eq!(call("whoami", &ann).await.unwrap(), "ann player");
    assert_eq!(call("player ann", &ann).await.unwrap(), "player ann");
    let denied = call("player bob", &ann).await.unwrap_err();
    assert_eq!(
        (denied.code(), reason(&denied).as_str()),
        (Code::PermissionDenied, "PERMISSION_DENIED")
    );
    let server = bearer(&world, "server-1", Role::GameServer);
    assert_eq!(call("player bob", &server).await.unwrap(), "player bob");
    assert!(call("analysts only", &server).await.is_err());

    let missing = world.unary("GetEcho", echo("")).await.unwrap_err();
    assert_eq!(
        (missing.code(), reason(&missing).as_str()),
        (Code::Unauthenticated, "UNAUTHENTICATED")
    );
    world.clock.advance(Duration::from_secs(91));
    let expired = call("whoami", &ann).await.unwrap_err();
    assert!(expired.message().contains("expired"), "{expired:?}");
}

#[tokio::test]
async fn an_instance_vouches_for_who_has_no_token_and_for_nobody_who_has_one() {
    let world = world(&[("jwt-secret", SECRET)]).await;
    let caller = Principal { subject: "spiffe://a/b".into(), role: Role::Analyst, player_id: None };
    let ann = bearer(&world, "ann", Role::Player);
    let whoami = async |vouches: &Mark, marks: bool, token: Option<&str>| {
        let mut headers = http::HeaderMap::new();
        vouches.vouch(&mut headers, &caller);
        if marks {
            mark(&world.clock).put(&mut headers);
        }
        headers.extend(token.map(|token| (http::header::AUTHORIZATION, token.parse().unwrap())));
        let mut request = tonic::Request::new(echo("whoami"));
        request.metadata_mut().as_mut().extend(headers);
        let answer = world.unary("GetEcho", request).await;
        answer.map(|answer| answer.into_inner().text).map_err(|status| status.code())
    };
    let ours = mark(&world.clock);
    assert_eq!(whoami(&ours, true, None).await, Ok("spiffe://a/b analyst".to_owned()));
    assert_eq!(whoami(&ours, true, Some(&ann)).await, Ok("ann player".to_owned()));
    // Without the mark, or with a signature of others, it is nobody's word.
    let others = Mark::new(&StoreSecret::new([8; STORE_SECRET_BYTES]), world.clock.clone());
    assert_eq!(whoami(&ours, false, None).await, Err(Code::Unauthenticated));
    assert_eq!(whoami(&others, true, None).await, Err(Code::Unauthenticated));
}

#[tokio::test]
async fn probes_need_no_token_and_reflection_needs_one_in_production_only() {
    for (environment, open) in [("staging", true), ("production", false)] {
        let world = world(&[
            ("jwt-secret", SECRET),
            ("environment", environment),
            ("http-addr", "127.0.0.1:0"),
        ])
        .await;
        let channel = world.channel().await;
        let request = HealthCheckRequest { service: String::new() };
        assert!(HealthClient::new(channel.clone()).check(request).await.is_ok());
        for path in ["/health", "/ready", "/metrics"] {
            assert_eq!(world.get(path).await.status, 200, "{path}");
        }
        let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
        let request =
            v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
        let answer = client.server_reflection_info(tokio_stream::iter([request])).await;
        assert_eq!(answer.is_ok(), open, "{environment}");
    }
}
