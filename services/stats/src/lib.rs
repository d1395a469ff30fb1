//! Stats: events of matches, each counted once; leaderboards, ratings and explanations.
//!
//! A request comes in through one file of `rpc`, is parsed by `convert`, and goes through `engine` to the
//! log and the shards. The rules are in `gamemesh-domain`, the log behind a port.

mod block;
mod config;
mod consume;
mod convert;
mod engine;
mod http;
mod metrics;
mod rpc;

use std::sync::Arc;

use gamemesh_contracts::stats::v1::match_stats_service_server::MatchStatsServiceServer;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::{Forwarder, LeaseManager, Ownership, OwnershipMetrics};
use gamemesh_rpc::auth::Role;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::http_route::Access;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;

pub use self::config::StatsConfig;
use self::engine::Engine;
pub use self::engine::Stores;
use self::engine::open::Life;
use self::engine::owners::Owners;
use self::metrics::StatsMetrics;
use self::rpc::StatsRpc;
pub use gamemesh_domain::stats::{Rules, Season};

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: StatsConfig,
    clock: Clock,
    metrics: &Metrics,
    lifecycle: Lifecycle,
) -> Result<Mounted> {
    let log = stores.log.clone();
    let (consumers, shared) = (stores.consumers.clone(), stores.shared.clone());
    let life = Life::default();
    let mut mounted = Mounted::new("stats");
    let (mut owners, mut forwarder) = (None, None);
    if let Some(lanes) = stores.lanes.clone() {
        let figures = OwnershipMetrics::register(metrics, "stats");
        let ownership = Arc::new(Ownership::new(log.lanes(), figures));
        let mark = lanes.mark.clone();
        forwarder = Some(Arc::new(Forwarder::new(ownership.clone(), mark.clone())));
        let manager = LeaseManager::new(lanes, ownership.clone());
        owners = Some(Owners::new(ownership.clone(), mark));
        // Its lanes are handed over as soon as the process begins to stop.
        let draining = lifecycle.draining().clone();
        mounted = mounted.task("lease manager", |_| manager.run(draining));
        // Without a lease it brings everything to the owners.
        let check = Check::new("stats-lanes", move || std::future::ready(ownership.check()));
        mounted = mounted.check(check.dispensable());
    }
    let stats_metrics = StatsMetrics::register(metrics);
    let (engine, tasks) = Engine::open(stores, config, clock, stats_metrics, owners, &life).await?;
    let ingest = http::router(engine.clone());
    // Answers stay uncompressed: most clients accept gzip without wanting to pay for it.
    let server = MatchStatsServiceServer::new(StatsRpc::new(engine.clone(), forwarder, lifecycle))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    mounted = mounted
        .grpc(server)
        .http_with(Access::of(&[Role::GameServer]), ingest)
        .check(database(log))
        .tasks(tasks)
        .task("figures", {
            let engine = engine.clone();
            move |stop| figures(engine, stop)
        });
    if let Some(consumers) = consumers {
        mounted = mounted.task("consumer", move |stop| consume::run(engine, consumers, stop));
    }
    if let Some(shared) = shared {
        mounted = mounted.check(redis(shared));
    }
    Ok(mounted.drain("stats", async move || {
        // What is counted goes to the tables once more; nothing depends on it.
        life.end().await;
        Ok(())
    }))
}

/// Gauges that are looked at, rather than counted.
async fn figures(engine: Arc<Engine>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tick.tick() => engine.look(),
            () = stop.cancelled() => return,
        }
    }
}

/// Everything is served without it.
fn redis(shared: Arc<dyn gamemesh_cache::L2>) -> Check {
    let check = Check::new("stats-redis", move || {
        let shared = shared.clone();
        async move {
            shared.ping().await.map_err(|error| {
                Error::new(Code::DependencyUnavailable, "the shared cache is away")
                    .with_context(&error)
            })
        }
    });
    check.dispensable()
}

fn database(log: Arc<dyn gamemesh_repository::EventLog>) -> Check {
    Check::new("stats-database", move || {
        let log = log.clone();
        async move { log.ping().await.map_err(Into::into) }
    })
}
