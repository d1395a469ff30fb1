//! A process with the echo service, on a free port, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use gamemesh_domain::{Code, Error};
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_repository::{STORE_SECRET_BYTES, StoreSecret};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::{Instances, Mark};
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::telemetry::Tracing;
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::codegen::Bytes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::echo::{Echo, EchoServer, descriptors};
use crate::own;

pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) echo: EchoServer,
    pub(crate) clock: Clock,
    pub(crate) database_up: Arc<AtomicBool>,
    pub(crate) flushed: Arc<AtomicBool>,
    pub(crate) lifecycle: Lifecycle,
    /// Makes the background task end before its time.
    pub(crate) die: Arc<Notify>,
    pub(crate) trigger: Trigger,
    pub(crate) served: JoinHandle<anyhow::Result<Outcome>>,
}

/// Everything as it is by default, with some keys set as flags.
pub(crate) async fn world(flags: &[(&'static str, &str)]) -> World {
    world_with(flags, Tracing::default()).await
}

pub(crate) async fn world_with(flags: &[(&'static str, &str)], tracing: Tracing) -> World {
    let args =
        flags.iter().fold(ServerArgs::default(), |args, (name, value)| args.with(name, *value));
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let echo =
        EchoServer { bytes_max: Some(config.limits.request_bytes_max), ..EchoServer::default() };
    let database_up = Arc::new(AtomicBool::new(true));
    let flushed = Arc::new(AtomicBool::new(false));
    let die = Arc::new(Notify::new());
    let (up, done, dies) = (database_up.clone(), flushed.clone(), die.clone());
    let check = Check::new("database", move || {
        let up = up.load(Ordering::SeqCst);
        async move {
            let away = || Error::new(Code::DependencyUnavailable, "the database is away");
            if up { Ok(()) } else { Err(away()) }
        }
    });
    let mounted = Mounted::new("echo")
        .grpc(echo.clone())
        .check(check)
        .task("idle", move |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = dies.notified() => {}
            }
        })
        .drain("flush", move || async move {
            done.store(true, Ordering::SeqCst);
            Ok(())
        });
    let mounted = own::mounted(mounted);
    let clock = Clock::manual(1_700_000_000_000_000);
    let lifecycle = Lifecycle::new();
    let app = assemble(Setup {
        config: &config,
        clock: clock.clone(),
        metrics: Metrics::new(),
        tracing,
        lifecycle: lifecycle.clone(),
        descriptors: &[&descriptors()],
        mounted: vec![mounted],
        instances: Instances::new([mark(&clock)]),
        log_level: None,
        heap: None,
    })
    .await
    .unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.addr();
    let (trigger, signals) = Signals::manual();
    let rest = Router::new()
        .route("/rest", get(|| async { "rest" }))
        .fallback(|| async { gamemesh_rpc::error::to_http(&Error::new(Code::UnknownPath, "no")) });
    let served = tokio::spawn(app.serve(listener, rest, signals));
    World { addr, echo, clock, database_up, flushed, lifecycle, die, trigger, served }
}

/// The mark of the other instances of the store.
pub(crate) fn mark(clock: &Clock) -> Mark {
    Mark::new(&StoreSecret::new([7; STORE_SECRET_BYTES]), clock.clone())
}

impl World {
    pub(crate) async fn channel(&self) -> Channel {
        tonic::transport::Endpoint::new(format!("http://{}", self.addr))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// Calls a unary method of the echo service on a connection of its own.
    pub(crate) async fn unary(
        &self,
        method: &'static str,
        request: impl tonic::IntoRequest<Echo>,
    ) -> Result<Response<Echo>, Status> {
        unary(self.channel().await, method, request).await
    }

    pub(crate) async fn watch(
        &self,
        request: impl tonic::IntoRequest<Echo>,
    ) -> Result<Streaming<Echo>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel().await);
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/test.v1.Echo/WatchEcho");
        let codec = ProstCodec::<Echo, Echo>::default();
        grpc.server_streaming(request.into_request(), path, codec).await.map(Response::into_inner)
    }

    /// An HTTP/1.1 request; status, headers and body of the answer.
    pub(crate) async fn http(&self, request: http::request::Builder, body: &[u8]) -> Answer {
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let request =
            request.body(http_body_util::Full::new(Bytes::copy_from_slice(body))).unwrap();
        let (mut parts, path) = request.into_parts();
        parts.uri =
            format!("http://{}{}", self.addr, parts.uri.path_and_query().unwrap()).parse().unwrap();
        let response = client.request(http::Request::from_parts(parts, path)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.http(http::Request::get(path), b"").await
    }

    /// Posts raw bytes as a gRPC request over HTTP/2; the status of the answer. A gRPC client would
    /// apply deadlines of its own and send well-formed frames only.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Status {
        let client = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
        let mut request = http::Request::post(format!("http://{}{path}", self.addr))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = http_body_util::Full::new(Bytes::copy_from_slice(body));
        let response = client.request(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(status) = Status::from_header_map(&parts.headers) {
            return status;
        }
        let body = body.collect().await.unwrap();
        Status::from_header_map(body.trailers().unwrap()).unwrap()
    }

    pub(crate) async fn stop(self) -> Outcome {
        self.trigger.stop();
        self.served.await.unwrap().unwrap()
    }
}

pub(crate) async fn unary(
    channel: Channel,
    method: &'static str,
    request: impl tonic::IntoRequest<Echo>,
) -> Result<Response<Echo>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/test.v1.Echo/{method}")).unwrap();
    grpc.unary(request.into_request(), path, ProstCodec::<Echo, Echo>::default()).await
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A length-prefixed message, whose length need not be true.
pub(crate) fn frame(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), bytes].concat()
}

pub(crate) fn framed(message: &Echo) -> Vec<u8> {
    let body = prost::Message::encode_to_vec(message);
    frame(0, u32::try_from(body.len()).unwrap(), &body)
}

/// A request with metadata.
pub(crate) fn with(message: Echo, metadata: &[(&'static str, &str)]) -> Request<Echo> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// The stable reason of an error, which every error must have.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}
