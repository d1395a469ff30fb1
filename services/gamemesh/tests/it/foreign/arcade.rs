//! The foreign server: hand-written messages, one service of every shape of call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

#[derive(Clone, PartialEq, prost::Message)]
struct Query {
    #[prost(string, tag = "1")]
    player: String,
    #[prost(int32, tag = "2")]
    season: i32,
    #[prost(message, optional, tag = "3")]
    since: Option<prost_types::Timestamp>,
    #[prost(string, repeated, tag = "4")]
    tags: Vec<String>,
    #[prost(message, optional, tag = "5")]
    detail: Option<Detail>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Score {
    #[prost(string, tag = "1")]
    player: String,
    #[prost(int64, tag = "2")]
    points: i64,
    #[prost(double, tag = "3")]
    rate: f64,
    #[prost(bytes = "vec", tag = "4")]
    badge: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    at: Option<prost_types::Timestamp>,
    #[prost(map = "string, int32", tag = "6")]
    tally: HashMap<String, i32>,
    #[prost(int32, tag = "7")]
    season: i32,
    #[prost(message, optional, tag = "8")]
    took: Option<prost_types::Duration>,
    /// A `google.protobuf.BoolValue`.
    #[prost(message, optional, tag = "9")]
    ranked: Option<bool>,
    #[prost(message, optional, tag = "10")]
    detail: Option<Detail>,
    #[prost(string, repeated, tag = "11")]
    tags: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    note: String,
    #[prost(uint64, tag = "2")]
    seed: u64,
}

/// The descriptor set of `arcade.proto`, with its imports, as a studio's build makes it.
pub(super) fn descriptors() -> Vec<u8> {
    let here = env!("CARGO_MANIFEST_DIR");
    let includes = [format!("{here}/tests/fixtures"), format!("{here}/../../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("arcade.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

/// A running server, with threads of its own: ending them breaks every connection off.
pub(super) struct Arcade {
    address: String,
    runtime: Option<Runtime>,
}

impl Arcade {
    pub(super) async fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listening = runtime.spawn(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let server = tonic::transport::Server::builder().add_service(Service);
            tokio::spawn(server.serve_with_incoming(incoming));
            address
        });
        Self { address: listening.await.unwrap(), runtime: Some(runtime) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Arcade {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Clone)]
struct Service;

impl NamedService for Service {
    const NAME: &'static str = "studio.arcade.v1.Arcade";
}

type Scores = Pin<Box<dyn Stream<Item = Result<Score, Status>> + Send>>;

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            let queries = || Grpc::new(ProstCodec::<Score, Query>::default());
            let scores = || Grpc::new(ProstCodec::<Score, Score>::default());
            Ok(match method.as_str() {
                "GetScore" => queries().unary(service_fn(get_score), request).await,
                "Submit" => scores().unary(service_fn(submit), request).await,
                "Follow" => queries().server_streaming(service_fn(follow), request).await,
                "Play" => scores().streaming(service_fn(play), request).await,
                _ => Status::unimplemented(method).into_http(),
            })
        })
    }
}

async fn get_score(request: Request<Query>) -> Result<Response<Score>, Status> {
    let authorization = request
        .metadata()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let query = request.into_inner();
    let detail = match query.player.as_str() {
        "nobody" => return Err(Status::not_found("no such player")),
        "whoami" => Some(Detail { note: authorization, seed: 0 }),
        _ => query.detail,
    };
    Ok(Response::new(Score {
        player: query.player,
        season: query.season,
        at: query.since,
        tags: query.tags,
        detail,
        ..Score::default()
    }))
}

async fn submit(request: Request<Score>) -> Result<Response<Score>, Status> {
    Ok(Response::new(request.into_inner()))
}

async fn follow(request: Request<Query>) -> Result<Response<Scores>, Status> {
    let player = request.into_inner().player;
    let scores =
        (1..=3).map(move |points| Ok(Score { player: player.clone(), points, ..Score::default() }));
    Ok(Response::new(Box::pin(futures::stream::iter(scores))))
}

async fn play(request: Request<Streaming<Score>>) -> Result<Response<Scores>, Status> {
    let scores = request
        .into_inner()
        .map(|score| score.map(|score| Score { points: score.points * 10, ..score }));
    Ok(Response::new(Box::pin(scores)))
}
