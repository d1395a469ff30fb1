//! A server of the state service in this process, on a free port, with its store on disk.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use gamemesh_backends::{Backends, Capacity};
use gamemesh_bus::LocalBus;
use gamemesh_cache::L2;
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_repository::{DocumentTables, Lane, LogName};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::telemetry::Tracing;
use gamemesh_state::{RESPONSE_BYTES_MAX, StateConfig, Stores, mount};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

pub(super) type Client = StateServiceClient<Channel>;

/// Connections of the store that answer reads.
const READERS: u32 = 4;

pub(super) struct World {
    folder: TempDir,
    /// Where the store is, if it is not a file in the folder.
    elsewhere: Option<String>,
    /// What the instances of the store share.
    shared: Option<Arc<dyn L2>>,
    config: StateConfig,
    pub(super) clock: Clock,
    http: HttpClient<HttpConnector, Full<Bytes>>,
    server: Option<Server>,
}

struct Server {
    addr: SocketAddr,
    stores: Backends,
    trigger: Trigger,
    served: JoinHandle<anyhow::Result<Outcome>>,
}

/// What an HTTP request came to.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(StateConfig::default(), Clock::system()).await
    }

    pub(super) async fn with(config: StateConfig, clock: Clock) -> Self {
        Self::begin(None, None, config, clock).await
    }

    /// One of several instances of a store.
    pub(super) async fn on(url: &str, config: StateConfig) -> Self {
        Self::begin(Some(url.to_owned()), None, config, Clock::system()).await
    }

    /// One of several instances of a store that share a cache.
    pub(super) async fn sharing(url: &str, shared: Arc<dyn L2>, config: StateConfig) -> Self {
        Self::begin(Some(url.to_owned()), Some(shared), config, Clock::system()).await
    }

    async fn begin(
        elsewhere: Option<String>,
        shared: Option<Arc<dyn L2>>,
        config: StateConfig,
        clock: Clock,
    ) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        let folder = new_folder();
        let mut world = Self { folder, elsewhere, shared, config, clock, http, server: None };
        world.start().await;
        world
    }

    /// Where the store is.
    pub(super) fn url(&self) -> String {
        match &self.elsewhere {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", self.file().display()),
        }
    }

    /// A copy of the store, which must be stopped.
    pub(super) fn backup(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }

    /// Puts a copy in the place of the store, which must be stopped.
    pub(super) fn restore(&self, backup: &[u8]) {
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", self.file().display()));
        }
        std::fs::write(self.file(), backup).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    pub(super) async fn start(&mut self) {
        self.start_behind(|tables| tables).await;
    }

    /// The same, with something before the tables of the store.
    pub(super) async fn start_behind(
        &mut self,
        behind: impl FnOnce(Arc<dyn DocumentTables>) -> Arc<dyn DocumentTables>,
    ) {
        let capacity = Capacity::with_readers(READERS);
        let mut stores =
            gamemesh_backends::open(&self.url(), LogName::State, capacity).await.unwrap();
        stores.documents = behind(stores.documents);
        let (config, clock) = (self.config.clone(), self.clock.clone());
        self.server = Some(serve(stores, self.shared.clone(), config, clock).await);
    }

    /// Stops the server in order.
    pub(super) async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.trigger.stop();
        server.served.await.unwrap().unwrap();
        server.stores.close().await;
    }

    /// Stops the server in order and starts it on the same file.
    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.server.as_ref().unwrap().addr
    }

    pub(super) fn stores(&self) -> &Backends {
        &self.server.as_ref().unwrap().stores
    }

    /// Events in the store.
    pub(super) fn events(&self) -> u64 {
        let log = &self.stores().log;
        (0..log.lanes()).map(|lane| *log.tail(Lane(lane)).borrow()).sum()
    }

    /// A client with a connection of its own.
    pub(super) async fn client(&self) -> Client {
        client(self.addr()).await
    }

    /// An HTTP/1.1 request through the gateway.
    pub(super) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{}{path}", self.addr()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (parts, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// The value of a metric, with its labels if it has any.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        value(&text, name).unwrap_or_else(|| panic!("no metric {name} in\n{text}"))
    }

    /// What was counted under these labels, which are not there before something was.
    pub(super) async fn count(&self, counter: &str, labels: &str) -> f64 {
        let text = self.metrics().await;
        assert!(text.contains(&format!("# TYPE {counter} counter")), "no {counter} in\n{text}");
        value(&text, &format!("{counter}{{{labels}}}")).unwrap_or(0.0)
    }

    async fn metrics(&self) -> String {
        let answer = self.http("GET", "/metrics", &[], "").await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    }
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

fn new_folder() -> TempDir {
    tempfile::Builder::new().prefix("gamemesh-state-").tempdir().unwrap()
}

async fn client(addr: SocketAddr) -> Client {
    let endpoint = Endpoint::new(format!("http://{addr}")).unwrap();
    Client::new(endpoint.connect().await.unwrap()).max_decoding_message_size(RESPONSE_BYTES_MAX)
}

async fn serve(
    stores: Backends,
    shared: Option<Arc<dyn L2>>,
    state: StateConfig,
    clock: Clock,
) -> Server {
    let args = ServerArgs::default().with("drain-timeout", "20s");
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let metrics = Metrics::new();
    let ports = Stores {
        log: stores.log.clone(),
        snapshots: stores.snapshots.clone(),
        cursors: stores.cursors.clone(),
        tables: stores.tables.clone(),
        documents: stores.documents.clone(),
        bus: Arc::new(LocalBus::new()),
        shared,
        lanes: None,
    };
    let lifecycle = Lifecycle::new();
    let mounted = mount(ports, state, clock.clone(), &metrics, lifecycle.clone()).await.unwrap();
    let app = assemble(Setup {
        config: &config,
        clock,
        metrics,
        tracing: Tracing::default(),
        lifecycle,
        descriptors: &[DESCRIPTORS],
        mounted: vec![mounted],
        instances: Instances::default(),
        log_level: None,
        heap: None,
    })
    .await
    .unwrap();
    let gateway =
        Gateway::new(DESCRIPTORS, boxed_upstream(app.upstream()), GatewayConfig::default())
            .unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.addr();
    let (trigger, signals) = Signals::manual();
    let served = tokio::spawn(app.serve(listener, gateway.router(), signals));
    Server { addr, stores, trigger, served }
}
