//! A server of the stats service in this process, on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gamemesh_backends::{Backends, Capacity};
use gamemesh_bus::Consumers;
use gamemesh_cache::L2;
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_contracts::stats::v1::match_stats_service_client::MatchStatsServiceClient;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_ownership::OwnedLanes;
use gamemesh_repository::{LogName, StatsTables};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::{Instances, Mark};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::telemetry::Tracing;
use gamemesh_rpc::tls::Connector;
use gamemesh_stats::{StatsConfig, Stores, mount};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

pub(super) type Client = MatchStatsServiceClient<Channel>;

#[derive(Default)]
pub(super) struct Setting {
    pub(super) config: StatsConfig,
    pub(super) clock: Clock,
    /// Another store than a file in the world's folder.
    pub(super) url: Option<String>,
    pub(super) consumers: Option<Arc<dyn Consumers>>,
    pub(super) shared: Option<Arc<dyn L2>>,
    /// It shares the store's lanes with others.
    pub(super) owns_lanes: bool,
    /// Stands between the service and its tables.
    pub(super) tables: Option<Between>,
}

pub(super) type Between = Arc<dyn Fn(Arc<dyn StatsTables>) -> Arc<dyn StatsTables>>;

pub(super) struct World {
    folder: TempDir,
    setting: Setting,
    http: HttpClient<HttpConnector, Full<Bytes>>,
    server: Option<Server>,
}

struct Server {
    addr: SocketAddr,
    stores: Backends,
    trigger: Trigger,
    served: JoinHandle<anyhow::Result<Outcome>>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    pub(super) async fn with(setting: Setting) -> Self {
        let folder = tempfile::Builder::new().prefix("gamemesh-stats-").tempdir().unwrap();
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        let mut world = Self { folder, setting, http, server: None };
        world.start().await;
        world
    }

    pub(super) async fn start(&mut self) {
        let file = self.folder.path().join("stats.db");
        let url = self.setting.url.clone().unwrap_or(format!("sqlite://{}", file.display()));
        let stores =
            gamemesh_backends::open(&url, LogName::Stats, Capacity::with_readers(4)).await.unwrap();
        self.server = Some(serve(stores, &self.setting).await);
    }

    /// Stops the server in order.
    pub(super) async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.trigger.stop();
        server.served.await.unwrap().unwrap();
        server.stores.close().await;
    }

    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub(super) fn stores(&self) -> &Backends {
        &self.server.as_ref().unwrap().stores
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.server.as_ref().unwrap().addr
    }

    /// A number of the metrics, by its name and labels.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let uri = format!("http://{}/metrics", self.addr());
        let request = http::Request::get(uri).body(Full::default()).unwrap();
        let body = self.http.request(request).await.unwrap().into_body();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub(super) async fn client(&self) -> Client {
        let addr = self.server.as_ref().unwrap().addr;
        let endpoint = Endpoint::new(format!("http://{addr}")).unwrap();
        Client::new(endpoint.connect().await.unwrap()).max_decoding_message_size(16 << 20)
    }

    pub(super) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let addr = self.server.as_ref().unwrap().addr;
        let uri = format!("http://{addr}/api/v1/match-stats/{path}");
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (parts, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.http("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        answer.json()
    }

    /// Sends events over REST; answers their statuses.
    pub(super) async fn post(&self, events: &[Value]) -> Vec<String> {
        let body = Value::Array(events.to_vec()).to_string();
        let headers = [("content-type", "application/json")];
        let answer = self.http("POST", "events", &headers, body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let answer = answer.json();
        let status = |result: &Value| {
            let status = result["status"].as_str().unwrap();
            status.trim_start_matches("EVENT_STATUS_").to_lowercase()
        };
        answer["results"].as_array().unwrap().iter().map(status).collect()
    }
}

async fn serve(stores: Backends, setting: &Setting) -> Server {
    let args = ServerArgs::default().with("drain-timeout", "20s");
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let metrics = Metrics::new();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.addr();
    let mark = Mark::new(&stores.log.secret(), Clock::system());
    let lanes = setting.owns_lanes.then(|| OwnedLanes {
        leases: stores.leases.clone(),
        address: addr.to_string(),
        lease: Duration::from_secs(3),
        mark: mark.clone(),
        connector: Connector::default(),
    });
    let tables = stores.stats.clone();
    let ports = Stores {
        log: stores.log.clone(),
        tables: match &setting.tables {
            Some(between) => between(tables),
            None => tables,
        },
        consumers: setting.consumers.clone(),
        shared: setting.shared.clone(),
        lanes,
    };
    let (lifecycle, clock) = (Lifecycle::new(), setting.clock.clone());
    let mounted =
        mount(ports, setting.config.clone(), clock.clone(), &metrics, lifecycle.clone()).await;
    let app = assemble(Setup {
        config: &config,
        clock,
        metrics,
        tracing: Tracing::default(),
        lifecycle,
        descriptors: &[DESCRIPTORS],
        mounted: vec![mounted.unwrap()],
        instances: Instances::new([mark]),
        log_level: None,
        heap: None,
    })
    .await
    .unwrap();
    let gateway =
        Gateway::new(DESCRIPTORS, boxed_upstream(app.upstream()), GatewayConfig::default())
            .unwrap();
    let (trigger, signals) = Signals::manual();
    let served = tokio::spawn(app.serve(listener, gateway.router(), signals));
    Server { addr, stores, trigger, served }
}
