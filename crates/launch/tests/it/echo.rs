//! A gRPC service for the tests, written by hand: `test.v1.Echo`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use futures::future::BoxFuture;
use gamemesh_domain::Error;
use gamemesh_facts::{Effect, MethodFacts, Retry, Role, wire};
use gamemesh_rpc::auth::{self, Permit};
use gamemesh_rpc::deadline::Deadline;
use gamemesh_rpc::error::OrStatus as _;
use gamemesh_rpc::peers::OnBehalfOf;
use gamemesh_rpc::stack::Endless;
use gamemesh_rpc::trace::Correlation;
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, field_descriptor_proto,
};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// What the service is to do, and what it says.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Echo {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    /// Milliseconds to wait before answering; of a stream, between two messages, 0 being no pause.
    #[prost(uint32, tag = "2")]
    pub(crate) wait_ms: u32,
    /// Messages of a stream; 0 is without end.
    #[prost(uint32, tag = "3")]
    pub(crate) count: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) bulk: Vec<u8>,
}

pub(crate) fn echo(text: &str) -> Echo {
    Echo { text: text.to_owned(), ..Echo::default() }
}

/// Counts what became of its work.
#[derive(Clone, Default)]
pub(crate) struct EchoServer {
    pub(crate) finished: Arc<AtomicUsize>,
    pub(crate) bytes_max: Option<usize>,
}

impl NamedService for EchoServer {
    const NAME: &'static str = "test.v1.Echo";
}

impl EchoServer {
    async fn unary(self, request: Request<Echo>) -> Result<Response<Echo>, Status> {
        let correlation = Correlation::of(request.extensions()).or_status()?.clone();
        let permit = Permit::of(request.extensions()).or_status()?.clone();
        let original = request.extensions().get::<OnBehalfOf>().cloned();
        let deadline = request.extensions().get::<Deadline>().copied();
        let echo = request.into_inner();
        if echo.wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(echo.wait_ms.into())).await;
        }
        self.finished.fetch_add(1, Ordering::SeqCst);
        let text = match echo.text.as_str() {
            "panic" => panic!("asked to"),
            "whoami" => {
                let who = permit.principal();
                format!("{} {}", who.subject, who.role.as_str())
            }
            "on behalf of" => original.map_or_else(String::new, |OnBehalfOf(who)| {
                let player = who.player_id.as_deref().unwrap_or("nobody");
                format!("{} {} {player}", who.subject, who.role.as_str())
            }),
            "deadline" => deadline.map_or_else(String::new, |Deadline(until)| {
                until.saturating_duration_since(Instant::now()).as_millis().to_string()
            }),
            "correlation" => Correlation::current().unwrap().id(),
            "trace" => correlation.trace_id().unwrap_or_default(),
            "log" => {
                tracing::info!("handling");
                String::new()
            }
            "analysts only" => {
                permit.require_any(&[auth::Role::Analyst]).or_status()?;
                return Ok(Response::new(echo));
            }
            text => match text.strip_prefix("player ") {
                Some(id) => {
                    permit.require_player(id).or_status()?;
                    return Ok(Response::new(echo));
                }
                None => text.to_owned(),
            },
        };
        Ok(Response::new(Echo { text, ..echo }))
    }

    fn watch(self, echo: Echo) -> impl Stream<Item = Result<Echo, Status>> + Send + 'static {
        async_stream::stream! {
            for number in 1.. {
                if echo.text == "panic" && number == 2 {
                    panic!("asked to");
                }
                yield Ok(Echo { text: echo.text.clone(), count: number, ..Echo::default() });
                if number == echo.count {
                    break;
                }
                // Without a wait the stream always has something to send.
                if echo.wait_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(echo.wait_ms.into())).await;
                }
            }
            if echo.text == "fail" {
                yield Err(Error::internal("asked to")).or_status();
            }
            self.finished.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl UnaryService<Echo> for EchoServer {
    type Response = Echo;
    type Future = BoxFuture<'static, Result<Response<Echo>, Status>>;

    fn call(&mut self, request: Request<Echo>) -> Self::Future {
        Box::pin(self.clone().unary(request))
    }
}

impl ServerStreamingService<Echo> for EchoServer {
    type Response = Echo;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Echo, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Echo>) -> Self::Future {
        let endless = request.get_ref().text == "endless";
        let stream: Self::ResponseStream = Box::pin(self.clone().watch(request.into_inner()));
        let mut response = Response::new(stream);
        if endless {
            response.extensions_mut().insert(Endless);
        }
        Box::pin(async move { Ok(response) })
    }
}

impl tower::Service<http::Request<Body>> for EchoServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Echo, Echo>::default())
                .apply_max_message_size_config(service.bytes_max, None);
            let path = request.uri().path().to_owned();
            Ok(match path.as_str() {
                "/test.v1.Echo/GetEcho" | "/test.v1.Echo/PutEcho" => {
                    grpc.unary(service, request).await
                }
                "/test.v1.Echo/WatchEcho" => grpc.server_streaming(service, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// The descriptors that a `.proto` of this service would give.
pub(crate) fn descriptors() -> Vec<u8> {
    use Role::{Analyst, GameServer, Player, Spectator};
    use field_descriptor_proto::{Label, Type};
    /// Field 1 of `FileDescriptorSet`, of a length.
    const FILE_KEY: u8 = 0x0a;
    let field = |name: &str, number, kind: Type| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    };
    let method = |name: &str, effect: Effect, server_streaming| wire::MethodDescriptor {
        name: name.to_owned(),
        input_type: ".test.v1.EchoMessage".to_owned(),
        output_type: ".test.v1.EchoMessage".to_owned(),
        server_streaming,
        options: Some(wire::MethodOptions {
            facts: Some(MethodFacts {
                roles: [Player, GameServer, Spectator, Analyst].map(Into::into).to_vec(),
                effect: effect.into(),
                retry: Retry::Safe.into(),
                forwarding_key: Vec::new(),
                own_player: String::new(),
            }),
        }),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("test/v1/echo.proto".to_owned()),
        package: Some("test.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("EchoMessage".to_owned()),
            field: vec![
                field("text", 1, Type::String),
                field("wait_ms", 2, Type::Uint32),
                field("count", 3, Type::Uint32),
                field("bulk", 4, Type::Bytes),
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    // The well-known types of descriptors drop options of others, so the service is encoded apart: encoded
    // messages add up by standing in a row.
    let service = wire::FileDescriptor {
        service: vec![wire::ServiceDescriptor {
            name: "Echo".to_owned(),
            method: vec![
                method("GetEcho", Effect::Read, false),
                method("PutEcho", Effect::Write, false),
                method("WatchEcho", Effect::Read, true),
            ],
        }],
        ..Default::default()
    };
    let file = [file.encode_to_vec(), service.encode_to_vec()].concat();
    let mut set = vec![FILE_KEY];
    prost::encode_length_delimiter(file.len(), &mut set).unwrap();
    set.extend(file);
    set
}
