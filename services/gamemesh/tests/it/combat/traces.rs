//! One trace goes from a shot to the pictures that tell of it and to the block that keeps it, also where
//! the shot came in at another instance.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_testkit::World;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::player::{Player, joins};
use super::several::Pair;
use super::{rest, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_a_shot_to_its_pictures_and_its_block() {
    let collector = Collector::default();
    let address = collector.serve().await;
    let mut world = World::builder()
        .services("combat")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .build()
        .unwrap();
    world.start().await.unwrap();
    let session = rest::create(&world, json!({})).await;
    let mut ada = shoot(&world, &session).await;
    let spans = collected(&collector).await;
    let judged = spans.iter().find(|span| span.name == "combat.judge").unwrap();
    assert_eq!(calls_above(&spans, judged), 1);
    // A move is in no trace: there are too many of them.
    ada.face(1).await;
    rest::call(&world, "DELETE", &format!("/sessions/{session}"), &Value::Null).await;
    assert!(world.stop().await.unwrap().success());
    let judged = collector.spans.lock().iter().filter(|span| span.name == "combat.judge").count();
    assert_eq!(judged, 1);
}

/// The shot comes in at the instance that does not own the session: the trace goes from the caller through it
/// to the owner, and on as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_over_the_relay_to_the_owner() {
    let collector = Collector::default();
    let address = format!("http://{}", collector.serve().await);
    let pair = Pair::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]).await;
    let session = pair.session("").await;
    let _ada = shoot(&pair.worlds[1], &session).await;
    let spans = collected(&collector).await;
    let judged = spans.iter().find(|span| span.name == "combat.judge").unwrap();
    assert_eq!(calls_above(&spans, judged), 2, "{spans:?}");
}

/// Two enter, and the first shoots by a call that names its trace; returns him when the other has seen it.
async fn shoot(world: &World, session: &str) -> Player {
    let mut ada = Player::connect(&world.address(), session, joins("ada")).await;
    let mut bob = Player::connect(&world.address(), session, joins("bob")).await;
    ada.face(bob.seat()).await;
    // The shot of a call, which names its trace.
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("traceparent", &*traceparent)];
    let path = format!("/sessions/{session}/damage");
    let shot = json!({"number": "1", "claimedTargetId": "bob", "ack": "ACK_CLASS_DURABLE"});
    let shot = json!({"playerId": "ada", "shot": shot});
    let answer = rest::send(world, &headers, "POST", &path, &shot).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let fired = |bob: &Player| {
        let is_fired = |event: &pb::CombatEvent| {
            matches!(event.event, Some(pb::combat_event::Event::Fired(_)))
        };
        bob.events.iter().any(is_fired)
    };
    bob.hear_until("the shot", fired).await;
    ada
}

/// The spans of the shot's trace, when they are there. Each has its parent in the trace, up to the caller.
async fn collected(collector: &Collector) -> Vec<Span> {
    let wanted = ["combat.judge", "combat.fan_out", "combat.append"];
    until("the spans", async || {
        let names = collector.of_trace(TRACE);
        let hangs = |span: &Span| {
            let parent = &span.parent_span_id;
            hex(parent) != CALLER && !names.iter().any(|other| other.span_id == *parent)
        };
        wanted.iter().all(|name| names.iter().any(|span| span.name == *name))
            && !names.iter().any(hangs)
    })
    .await;
    let spans = collector.of_trace(TRACE);
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let judged = named("combat.judge");
    for name in ["combat.fan_out", "combat.append"] {
        assert_eq!(named(name).parent_span_id, judged.span_id, "{name}");
    }
    spans
}

/// How many served calls lie between a span and the caller.
fn calls_above(spans: &[Span], from: &Span) -> usize {
    let mut calls = 0;
    let mut at = from;
    while let Some(above) = spans.iter().find(|span| span.span_id == at.parent_span_id) {
        calls += usize::from(above.name.ends_with("/ApplyDamage"));
        at = above;
    }
    assert_eq!(hex(&at.parent_span_id), CALLER);
    calls
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of OTLP's messages is looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
}

/// A collector of traces.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(self.clone());
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }

    fn of_trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock();
        spans.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect()
    }
}

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl UnaryService<Export> for Collector {
    type Response = ();
    type Future = Ready<Result<Response<()>, Status>>;

    fn call(&mut self, request: Request<Export>) -> Self::Future {
        let resources = request.into_inner().resources.into_iter();
        let spans = resources.flat_map(|resource| resource.scopes).flat_map(|scope| scope.spans);
        self.spans.lock().extend(spans);
        std::future::ready(Ok(Response::new(())))
    }
}

impl tower::Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let collector = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<(), Export>::default());
            Ok(grpc.unary(collector, request).await)
        })
    }
}
