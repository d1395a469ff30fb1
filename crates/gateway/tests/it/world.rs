//! The foreign service behind the gateway, near and far.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gamemesh_gateway::{
    Gateway, GatewayConfig, GatewayError, METADATA_BYTES_MAX, Upstream, boxed_upstream,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tower::ServiceExt as _;

use super::foreign::Foreign;

pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) made: Arc<AtomicUsize>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The descriptor set of protos in a folder, with the annotations of the workspace.
pub(super) fn compile(folder: &Path, file: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([
        folder.to_owned(),
        root.join("tests/protos"),
        root.join("../../proto"),
    ])
    .expect("the folders exist");
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(file).expect("the proto compiles");
    compiler.encode_file_descriptor_set()
}

pub(super) fn foreign_set() -> Vec<u8> {
    compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos"), "foreign.proto")
}

/// A gateway for a proto that is given as text, with nothing behind it.
pub(super) fn gateway_for(proto: &str) -> Result<Gateway, GatewayError> {
    gateway_with(proto, GatewayConfig::default())
}

pub(super) fn gateway_with(proto: &str, config: GatewayConfig) -> Result<Gateway, GatewayError> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder =
        std::env::temp_dir().join(format!("gateway-rules-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("rules.proto"), proto).expect("a temporary file");
    let set = compile(&folder, "rules.proto");
    std::fs::remove_dir_all(&folder).expect("the temporary folder is still there");
    Gateway::new(&set, boxed_upstream(tonic::service::Routes::default()), config)
}

impl World {
    /// Another service in its place.
    pub(super) fn before(upstream: Upstream) -> Self {
        let gateway = Gateway::new(&foreign_set(), upstream, GatewayConfig::default());
        Self {
            gateway: gateway.expect("the rules are valid"),
            open: Arc::default(),
            made: Arc::default(),
        }
    }

    /// The service in this process.
    pub(super) fn near() -> Self {
        Self::near_with(GatewayConfig::default())
    }

    pub(super) fn near_with(config: GatewayConfig) -> Self {
        let foreign = foreign();
        let routes = tonic::service::Routes::new(foreign.clone());
        Self::new(foreign, boxed_upstream(routes), config)
    }

    /// The service behind a TCP connection.
    pub(super) async fn far() -> Self {
        let foreign = foreign();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let server = tonic::transport::Server::builder().add_service(foreign.clone());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
            .expect("the address is a URI")
            .http2_max_header_list_size(METADATA_BYTES_MAX)
            .connect_lazy();
        Self::new(foreign, boxed_upstream(channel), GatewayConfig::default())
    }

    fn new(foreign: Foreign, upstream: Upstream, config: GatewayConfig) -> Self {
        let gateway = Gateway::new(&foreign_set(), upstream, config).expect("the rules are valid");
        Self { gateway, open: foreign.open, made: foreign.made }
    }

    /// Serves on a port of its own.
    pub(super) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let router = self.gateway.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// `line` is a method and a path; a body is sent as JSON.
    pub(super) async fn send(&self, line: &str, body: &str) -> Answer {
        self.send_with(line, &[], body).await
    }

    pub(super) async fn send_with(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (method, uri) = line.split_once(' ').expect("a method and a path");
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(super) async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.gateway.router().oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body ends").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Waits until as many streams are open.
    pub(super) async fn await_open(&self, expected: usize) {
        for _ in 0..200 {
            if self.open.load(Ordering::SeqCst) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} streams are open, expected {expected}", self.open.load(Ordering::SeqCst));
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is text"))
    }

    /// The reason in the `ErrorInfo` of a refusal.
    pub(super) fn reason(&self) -> String {
        let json = self.json();
        let details = json["details"].as_array().cloned().unwrap_or_default();
        let info =
            details.iter().find(|d| d["@type"] == "type.googleapis.com/google.rpc.ErrorInfo");
        info.and_then(|info| info["reason"].as_str()).unwrap_or("").to_owned()
    }
}

fn foreign() -> Foreign {
    let pool = DescriptorPool::decode(foreign_set().as_slice()).expect("the set is whole");
    Foreign { pool, open: Arc::default(), made: Arc::default() }
}
