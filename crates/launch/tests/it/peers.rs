//! One service calls another: the same in one process and in two.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::routing::get;
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_rpc::auth::{Grant, Role, issue};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::peers::{Identity, Origin, Peers, ServicePeers};
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::telemetry::Tracing;
use gamemesh_rpc::tls::Connector;
use http::uri::PathAndQuery;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinHandle;
use tonic::codegen::Bytes;
use tonic_prost::ProstCodec;

use crate::auth::SECRET;
use crate::echo::{Echo, EchoServer, descriptors, echo};
use crate::world::reason;

struct Process {
    address: String,
    trigger: Trigger,
    served: JoinHandle<anyhow::Result<Outcome>>,
}

/// A service whose own route asks the echo service, as part of the request that it works on.
fn asking(peers: ServicePeers) -> Mounted {
    async fn ask(
        State(peers): State<ServicePeers>,
        Path(text): Path<String>,
        request: Request,
    ) -> String {
        match echoed(&peers, Origin::of(request.extensions()).unwrap(), &text).await {
            Ok(text) => text,
            Err(reason) => reason,
        }
    }
    let router = Router::new().route("/ask/{text}", get(ask)).with_state(peers);
    Mounted::new("asking").http(router)
}

/// What the echo service answers, or the reason of its refusal.
async fn echoed(peers: &ServicePeers, origin: Origin, text: &str) -> Result<String, String> {
    let channel = peers
        .channel("echo", origin)
        .map_err(|error| format!("{}: {}", error.code.reason(), error.message))?;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| error.to_string())?;
    let path = PathAndQuery::from_static("/test.v1.Echo/GetEcho");
    let wait_ms = if text == "slow" { 60_000 } else { 0 };
    let request = tonic::Request::new(Echo { wait_ms, ..echo(text) });
    let codec = ProstCodec::<Echo, Echo>::default();
    grpc.unary(request, path, codec)
        .await
        .map(|answer| answer.into_inner().text)
        .map_err(|status| reason(&status))
}

/// A process with these services, and the address of the echo service if it is elsewhere.
async fn process(
    services: &[&str],
    flags: &[(&'static str, &str)],
    echo_at: Option<&str>,
) -> Process {
    let args =
        flags.iter().fold(ServerArgs::default(), |args, (name, value)| args.with(name, *value));
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let identity = Identity::new(config.peers.token.as_ref(), &config.auth, Clock::system());
    let addresses: Vec<(String, String)> =
        echo_at.iter().map(|address| ("echo".to_owned(), (*address).to_owned())).collect();
    let peers = Peers::new(&addresses, identity, &Connector::default()).unwrap();
    let mount = |service: &&str| match *service {
        "echo" => Mounted::new("echo").grpc(EchoServer::default()),
        _ => asking(peers.of("asking")),
    };
    let app = assemble(Setup {
        config: &config,
        clock: Clock::system(),
        metrics: Metrics::new(),
        tracing: Tracing::default(),
        lifecycle: Lifecycle::new(),
        descriptors: &[&descriptors()],
        mounted: services.iter().map(mount).collect(),
        instances: Instances::default(),
        log_level: None,
        heap: None,
    })
    .await
    .unwrap();
    app.bind(&peers);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", listener.addr());
    let (trigger, signals) = Signals::manual();
    let served = tokio::spawn(app.serve(listener, Router::new(), signals));
    Process { address, trigger, served }
}

impl Process {
    async fn ask(&self, text: &str, headers: &[(&str, &str)]) -> String {
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let text = text.replace(' ', "%20");
        let request = http::Request::get(format!("{}/ask/{text}", self.address));
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        let response = client.request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    async fn stop(self) {
        self.trigger.stop();
        self.served.await.unwrap().unwrap();
    }
}

fn token(config: &[(&'static str, &str)], subject: &str, role: Role) -> String {
    let args =
        config.iter().fold(ServerArgs::default(), |args, (name, value)| args.with(name, *value));
    let auth = ServerConfig::resolve(&args, |_| None, None).unwrap().auth;
    let grant = Grant {
        subject: subject.to_owned(),
        role,
        player_id: None,
        lifetime: Duration::from_secs(60),
    };
    let secret = auth.jwt_secret.as_ref().unwrap();
    format!("Bearer {}", issue(secret, &grant, &auth, &Clock::system()).unwrap())
}

/// What must be the same near and far.
async fn the_caller_goes_along(process: &Process, flags: &[(&'static str, &str)]) {
    let ann = token(flags, "ann", Role::Player);
    let headers = [
        ("authorization", ann.as_str()),
        ("x-correlation-id", "quest-9"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        // Nobody but a service is asked on whose behalf he calls.
        ("x-gamemesh-on-behalf-of", r#"{"subject":"root","role":"admin"}"#),
    ];
    assert_eq!(process.ask("whoami", &headers).await, "service:asking game-server");
    assert_eq!(process.ask("on behalf of", &headers).await, "ann player ann");
    assert_eq!(process.ask("correlation", &headers).await, "quest-9");
    assert_eq!(process.ask("trace", &headers).await, "4bf92f3577b34da6a3ce929d0e0e4736");

    // What is left of the caller's time, or a bound where he sets none.
    let timed = [headers[0], ("grpc-timeout", "5S")];
    let left: u64 = process.ask("deadline", &timed).await.parse().unwrap();
    assert!((1..=5_000).contains(&left), "{left}");
    let bound: u64 = process.ask("deadline", &headers[..1]).await.parse().unwrap();
    assert!((1..=30_000).contains(&bound), "{bound}");

    let brief = [headers[0], ("grpc-timeout", "300m")];
    let late = process.ask("slow", &brief).await;
    assert!(late.contains("DEADLINE_EXCEEDED"), "{late}");

    // The service has no more rights than a game server.
    assert_eq!(process.ask("analysts only", &headers).await, "PERMISSION_DENIED");
}

#[tokio::test]
async fn in_one_process_the_call_goes_through_the_same_stack() {
    let flags = [("jwt-secret", SECRET), ("max-in-flight", "1"), ("rate-limit-server-read", "1")];
    let process = process(&["echo", "asking"], &flags, None).await;
    // What a request causes takes no second place, and counts against nobody's rate.
    the_caller_goes_along(&process, &flags).await;
    process.stop().await;
}

#[tokio::test]
async fn in_two_processes_it_is_the_same() {
    let flags = [("jwt-secret", SECRET), ("rate-limit-server-read", "1")];
    let far = process(&["echo"], &flags, None).await;
    let near = process(&["asking"], &flags, Some(&far.address)).await;
    the_caller_goes_along(&near, &flags).await;

    let ann = token(&flags, "ann", Role::Player);
    far.stop().await;
    let away = near.ask("whoami", &[("authorization", &ann)]).await;
    assert_eq!(away, "DEPENDENCY_UNAVAILABLE");
    near.stop().await;
}

#[tokio::test]
async fn a_service_that_is_nowhere_is_told() {
    let process = process(&["asking"], &[], None).await;
    let answer = process.ask("whoami", &[]).await;
    assert!(
        answer.starts_with("DEPENDENCY_UNAVAILABLE") && answer.contains("PEER_ECHO"),
        "{answer}"
    );
    process.stop().await;
}

#[tokio::test]
async fn a_service_works_of_its_own_accord() {
    let process = process(&["echo"], &[("jwt-secret", SECRET)], None).await;
    let args = ServerArgs::default().with("jwt-secret", SECRET);
    let auth = ServerConfig::resolve(&args, |_| None, None).unwrap().auth;
    let addresses = [("echo".to_owned(), process.address.clone())];
    let (identity, connector) = (Identity::new(None, &auth, Clock::system()), Connector::default());
    let peers = Peers::new(&addresses, identity, &connector).unwrap().of("mailer");
    let origin = || Origin::internal(Duration::from_secs(5));
    assert_eq!(echoed(&peers, origin(), "whoami").await.unwrap(), "service:mailer game-server");
    assert_eq!(echoed(&peers, origin(), "on behalf of").await.unwrap(), "");
    let stranger = Peers::new(&addresses, Identity::none(), &connector).unwrap().of("mailer");
    assert_eq!(echoed(&stranger, origin(), "whoami").await.unwrap_err(), "UNAUTHENTICATED");
    process.stop().await;
}
