//! What the product is compared with: a bare tonic and a bare axum server that answer the same bytes to the
//! same request, and a bare WebSocket server that returns what it is sent. They do nothing else.

mod echo;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clap::{Args, ValueEnum};
use futures::future::BoxFuture;
use gamemesh_client::v1::{GetPlayerRequest, GetPlayerResponse};
use prost::Message as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic_prost::ProstCodec;

use crate::exit::{Outcome, Problem};

#[derive(Debug, Args)]
pub(crate) struct BaselineArgs {
    #[arg(long, value_enum)]
    kind: Kind,
    /// File with the answer: protobuf for gRPC, JSON for REST
    #[arg(long, required_if_eq_any([("kind", "grpc"), ("kind", "rest")]))]
    answer: Option<PathBuf>,
    #[arg(long)]
    port_file: PathBuf,
    /// As the product does
    #[arg(long, env = "PIN_THREADS", value_enum, default_value = "off")]
    pin_threads: Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl BaselineArgs {
    pub(crate) fn pins_threads(&self) -> bool {
        self.pin_threads == Switch::On
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Grpc,
    Rest,
    Echo,
}

pub(crate) async fn run(args: BaselineArgs) -> Outcome {
    let answer = args.answer.map(std::fs::read).transpose()?.unwrap_or_default();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    std::fs::write(&args.port_file, listener.local_addr()?.port().to_string())?;
    match args.kind {
        Kind::Grpc => {
            let answer = GetPlayerResponse::decode(answer.as_slice()).map_err(Problem::failed)?;
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            tonic::transport::Server::builder()
                .add_service(Constant(Arc::new(answer)))
                .serve_with_incoming(incoming)
                .await
                .map_err(Problem::failed)?;
        }
        Kind::Rest => {
            let answer: Value = serde_json::from_slice(&answer).map_err(Problem::failed)?;
            let router = Router::new()
                .route("/api/v1/state/player/{id}", get(answer_json))
                .with_state(Arc::new(answer));
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, router).await?;
        }
        Kind::Echo => echo::serve(listener).await?,
    }
    Ok(())
}

async fn answer_json(State(answer): State<Arc<Value>>) -> Json<Value> {
    Json(Value::clone(&answer))
}

/// A tonic service of one method.
#[derive(Clone)]
struct Constant(Arc<GetPlayerResponse>);

impl NamedService for Constant {
    const NAME: &'static str = "gamemesh.state.v1.StateService";
}

impl UnaryService<GetPlayerRequest> for Constant {
    type Response = GetPlayerResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<GetPlayerResponse>, tonic::Status>>;

    fn call(&mut self, _request: tonic::Request<GetPlayerRequest>) -> Self::Future {
        let answer = GetPlayerResponse::clone(&self.0);
        Box::pin(async move { Ok(tonic::Response::new(answer)) })
    }
}

impl tower::Service<http::Request<Body>> for Constant {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let codec: ProstCodec<GetPlayerResponse, GetPlayerRequest> = ProstCodec::default();
            Ok(tonic::server::Grpc::new(codec).unary(service, request).await)
        })
    }
}
