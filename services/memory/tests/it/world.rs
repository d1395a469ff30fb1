//! A server of the memory service in this process, on a free port, with its store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gamemesh_backends::{Backends, CacheCapacity, CacheTls, Capacity};
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_contracts::memory::v1::event_service_client::EventServiceClient;
use gamemesh_contracts::memory::v1::game_state_service_client::GameStateServiceClient;
use gamemesh_contracts::memory::v1::memory_service_client::MemoryServiceClient;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_launch::{Listener, Outcome, Setup, Signals, Trigger, assemble};
use gamemesh_memory::{MemoryConfig, Stores, mount};
use gamemesh_repository::LogName;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::telemetry::Tracing;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

pub(super) type Client = MemoryServiceClient<Channel>;
pub(super) type Game = GameStateServiceClient<Channel>;
pub(super) type Events = EventServiceClient<Channel>;

/// Noon of the first of November 2026.
pub(super) const NOW_US: i64 = 1_793_534_400_000_000;

pub(super) struct World {
    folder: TempDir,
    /// Where the store is, if it is not a file in the folder.
    elsewhere: Option<String>,
    /// The cache that instances share.
    redis: Option<String>,
    config: MemoryConfig,
    pub(super) clock: Clock,
    server: Option<Server>,
}

struct Server {
    addr: SocketAddr,
    stores: Backends,
    trigger: Trigger,
    served: JoinHandle<anyhow::Result<Outcome>>,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(MemoryConfig::default()).await
    }

    pub(super) async fn with(config: MemoryConfig) -> Self {
        Self::begin(None, config).await
    }

    /// On a store of another kind.
    pub(super) async fn on(url: &str) -> Self {
        Self::begin(Some(url.to_owned()), MemoryConfig::default()).await
    }

    async fn begin(elsewhere: Option<String>, config: MemoryConfig) -> Self {
        let folder = tempfile::Builder::new().prefix("gamemesh-memory-").tempdir().unwrap();
        let clock = Clock::manual(NOW_US);
        let mut world = Self { folder, elsewhere, redis: None, config, clock, server: None };
        world.start().await;
        world
    }

    /// With Redis from the next start on.
    pub(super) fn set_redis(&mut self, url: &str) {
        self.redis = Some(url.to_owned());
    }

    pub(super) fn set_config(&mut self, config: MemoryConfig) {
        self.config = config;
    }

    fn url(&self) -> String {
        match &self.elsewhere {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", self.folder().join("gamemesh.db").display()),
        }
    }

    /// Whether a restart keeps what there is.
    pub(super) fn is_durable(&self) -> bool {
        self.elsewhere.as_deref() != Some("memory:")
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) async fn start(&mut self) {
        let stores =
            gamemesh_backends::open(&self.url(), LogName::Memory, Capacity::with_readers(4))
                .await
                .unwrap();
        self.server = Some(
            serve(stores, self.config.clone(), self.clock.clone(), self.redis.as_deref()).await,
        );
    }

    pub(super) async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.trigger.stop();
        server.served.await.unwrap().unwrap();
        server.stores.close().await;
    }

    /// Stops the server in order and starts it on the same store.
    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// A client with a connection of its own.
    pub(super) async fn client(&self) -> Client {
        MemoryServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    pub(super) async fn game(&self) -> Game {
        GameStateServiceClient::new(self.channel().await)
    }

    pub(super) async fn events(&self) -> Events {
        EventServiceClient::new(self.channel().await)
    }

    async fn channel(&self) -> Channel {
        let addr = self.server.as_ref().unwrap().addr;
        let endpoint = Endpoint::new(format!("http://{addr}")).unwrap();
        endpoint.connect().await.unwrap()
    }
}

async fn serve(
    stores: Backends,
    memory: MemoryConfig,
    clock: Clock,
    redis: Option<&str>,
) -> Server {
    let capacity = CacheCapacity {
        connections_max: 4,
        timeout: Duration::from_secs(2),
        time_to_live: Duration::from_secs(300),
        tls: CacheTls::default(),
    };
    let cache = gamemesh_backends::open_cache(redis, stores.log.incarnation(), capacity).unwrap();
    let args = ServerArgs::default().with("drain-timeout", "20s");
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let metrics = Metrics::new();
    let ports = Stores {
        log: stores.log.clone(),
        snapshots: stores.snapshots.clone(),
        cursors: stores.cursors.clone(),
        writer: stores.tables.clone(),
        documents: stores.documents.clone(),
        tables: Arc::clone(&stores.memories),
        shared: cache.as_ref().map(|cache| cache.port.clone()),
        copies: cache.as_ref().map(|cache| cache.copies.clone()),
    };
    let lifecycle = Lifecycle::new();
    let mounted = mount(ports, memory, clock.clone(), &metrics, lifecycle.clone()).await.unwrap();
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
