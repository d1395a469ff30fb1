//! Traces that continue the caller's, into an OTLP collector.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_rpc::config::{ClientTlsFiles, LogFormat, TelemetryConfig};
use gamemesh_rpc::telemetry;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use tokio::sync::Mutex;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::echo::echo;
use crate::tls::Authority;
use crate::world::{with, world_with};

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().await;
        for resource in request.into_inner().resource_spans {
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (Collector, String) {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    (collector, endpoint)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_callers_trace_is_continued() {
    let (collector, endpoint) = collector().await;
    let config = TelemetryConfig {
        log_level: "off".to_owned(),
        log_format: LogFormat::Json,
        otlp_endpoint: Some(endpoint),
        otlp_tls: ClientTlsFiles::default(),
        otlp_sample_ratio: 1.0,
    };
    let (dispatch, telemetry) = telemetry::build(&config, std::io::stderr).unwrap();
    let _guard = tracing::dispatcher::set_default(&dispatch);
    let world = world_with(&[], telemetry.tracing()).await;

    let traceparent = format!("00-{TRACE}-{SPAN}-01");
    let unsampled = format!("00-{}-{SPAN}-00", TRACE.replace('4', "5"));
    let single = format!("{TRACE}-{SPAN}-1");
    let callers: [&[(&'static str, &str)]; 3] = [
        &[("traceparent", &traceparent), ("x-correlation-id", "c-1"), ("tracestate", "v=1")],
        &[("b3", &single)],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")],
    ];
    for headers in callers {
        let answer = world.unary("GetEcho", with(echo("trace"), headers)).await.unwrap();
        assert_eq!(answer.get_ref().text, TRACE, "the handler sees the trace");
    }
    let request = with(echo("trace"), &[("traceparent", &unsampled)]);
    world.unary("GetEcho", request).await.unwrap();
    for denial in [[("b3", "0")], [("x-b3-sampled", "0")]] {
        world.unary("GetEcho", with(echo("trace"), &denial)).await.unwrap();
    }
    let own = world.unary("GetEcho", echo("trace")).await.unwrap();
    let id = own.metadata().get("x-correlation-id").unwrap().to_str().unwrap();
    assert_eq!(id, own.get_ref().text, "an id made here is that of the trace");
    let error = with(echo("panic"), &[("traceparent", &traceparent)]);
    world.unary("GetEcho", error).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(50)).await;
    telemetry.shutdown().await;

    let spans = collector.0.lock().await.clone();
    assert_eq!(spans.len(), 5, "what the caller does not sample is not sent");
    let continued: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    assert_eq!(continued.len(), 4);
    for span in &continued {
        assert_eq!(hex(&span.parent_span_id), SPAN);
        assert_eq!(span.name, "test.v1.Echo/GetEcho");
        assert_eq!(span.kind, 2, "a server's span");
    }
    let attribute = |span: &Span, key: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key == key);
        format!("{:?}", found.and_then(|attribute| attribute.value.clone()))
    };
    assert!(attribute(continued[0], "correlation_id").contains("c-1"));
    assert_eq!(continued[0].trace_state, "v=1");
    assert!(attribute(continued[0], "rpc.grpc.status_code").contains("IntValue(0)"));
    let failed = continued[3];
    assert!(attribute(failed, "rpc.grpc.status_code").contains("IntValue(13)"));
    assert_eq!(failed.status.as_ref().unwrap().code, 2, "an error of the server");
    assert!(spans.iter().any(|span| hex(&span.trace_id) == id && span.parent_span_id.is_empty()));
}

/// Spans that arrive at a collector which speaks TLS and asks for a certificate.
async fn collected(folder: &Path, ca: &str) -> usize {
    let collector = Collector::default();
    let file = |name: &str| folder.join(name);
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("collector.pem"), read("collector.key")))
        .client_ca_root(Certificate::from_pem(read("ca.pem")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let config = TelemetryConfig {
        log_level: "off".to_owned(),
        log_format: LogFormat::Json,
        otlp_endpoint: Some(endpoint),
        otlp_tls: ClientTlsFiles {
            ca_file: Some(file(ca)),
            certificate: Some((file("own.pem"), file("own.key"))),
        },
        otlp_sample_ratio: 1.0,
    };
    let (dispatch, telemetry) = telemetry::build(&config, std::io::stderr).unwrap();
    let _guard = tracing::dispatcher::set_default(&dispatch);
    let world = world_with(&[], telemetry.tracing()).await;
    world.unary("GetEcho", echo("trace")).await.unwrap();
    telemetry.shutdown().await;
    collector.0.lock().await.len()
}

#[tokio::test]
async fn a_collector_behind_tls_is_verified_and_shown_who_sends() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (authority, foreign) = (Authority::new("studio"), Authority::new("another"));
    let address = SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    for (name, usage) in [
        ("collector", ExtendedKeyUsagePurpose::ServerAuth),
        ("own", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let (certificate, key) = authority.sign(address.clone(), usage);
        write(&format!("{name}.pem"), &certificate);
        write(&format!("{name}.key"), &key);
    }
    write("ca.pem", &authority.pem);
    write("foreign.pem", &foreign.pem);
    assert!(collected(folder.path(), "ca.pem").await > 0);
    assert_eq!(collected(folder.path(), "foreign.pem").await, 0, "nobody has checked it");
}
