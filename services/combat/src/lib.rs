#![doc = include_str!("../README.md")]

mod caller;
mod config;
pub mod content;
mod contents;
mod convert;
mod create;
mod edge;
mod forwarding;
mod ids;
mod metrics;
mod projector;
mod recover;
mod replay;
mod rpc;
mod shard;
mod socket;
mod spectate;
mod stats;
mod stored;
mod token;
pub mod topics;
mod validator;
mod verdicts;

use std::sync::Arc;

use gamemesh_bus::Publisher;
use gamemesh_contracts::combat::v1::combat_service_server::CombatServiceServer;
use gamemesh_domain::Result;
use gamemesh_ownership::{Forwarder, LeaseManager, OwnedLanes, Ownership, OwnershipMetrics};
use gamemesh_repository::{CombatTables, Cursors, EventLog, TableWriter};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::tls::Connector;
use tonic::codec::CompressionEncoding;

pub use self::config::CombatConfig;
use self::contents::Contents;
use self::edge::{Edge, Shared};
use self::metrics::CombatMetrics;
use self::projector::Projector;
use self::rpc::CombatRpc;
use self::shard::shards::Shards;
use self::token::Tokens;
use self::topics::Relay;
pub use self::validator::mount_validator;

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// What the service stands on.
#[derive(Clone)]
pub struct Stores {
    /// Combat's own log.
    pub log: Arc<dyn EventLog>,
    pub cursors: Arc<dyn Cursors>,
    pub writer: Arc<dyn TableWriter>,
    pub tables: Arc<dyn CombatTables>,
    pub bus: Arc<dyn Publisher>,
    /// What an instance needs to own sessions beside others; `None`: every session is this process's.
    pub lanes: Option<OwnedLanes>,
}

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: CombatConfig,
    clock: Clock,
    metrics: &Metrics,
    lifecycle: Lifecycle,
) -> Result<Mounted> {
    let Stores { log, cursors, writer, tables, bus, lanes } = stores;
    let projector = Projector { log: log.clone(), cursors: cursors.clone(), tables: writer };
    let relay = Relay { log: log.clone(), cursors, bus };
    let mut mounted = Mounted::new("combat");
    let (mut ownership, mut forwarder, mut connector) = (None, None, Connector::default());
    if let Some(lanes) = lanes {
        let figures = OwnershipMetrics::register(metrics, "combat");
        let owned = Arc::new(Ownership::new(log.lanes(), figures));
        forwarder = Some(Arc::new(Forwarder::new(owned.clone(), lanes.mark.clone())));
        connector = lanes.connector.clone();
        let manager = LeaseManager::new(lanes, owned.clone());
        // Its sessions are taken up by others as soon as the process begins to stop.
        let draining = lifecycle.draining().clone();
        mounted = mounted.task("lease manager", |_| manager.run(draining));
        let lease = owned.clone();
        let check = Check::new("combat-lanes", move || std::future::ready(lease.check()));
        mounted = mounted.check(check.dispensable());
        ownership = Some(owned);
    }
    let metrics = CombatMetrics::register(metrics);
    let contents = Contents::open(log.clone(), config.content, clock.now_micros()).await?;
    let tokens = Tokens::new(config.token_secret.expose().as_bytes(), log.incarnation());
    let echo = config.echo;
    let shared = Arc::new(Shared {
        log: log.clone(),
        contents,
        clock: clock.clone(),
        metrics: metrics.clone(),
        tokens: tokens.clone(),
        ownership,
    });
    let (shards, tasks) = Shards::start(config.shards, &shared)?;
    let edge = Arc::new(Edge {
        shared,
        shards,
        forwarder,
        connector,
        tables,
        tokens,
        echo,
        clock,
        metrics,
    });
    let server = CombatServiceServer::new(CombatRpc::new(edge.clone()))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    let (access, sockets) = socket::routes(edge.clone());
    let database = Check::new("combat-database", move || {
        let log = log.clone();
        async move { log.ping().await.map_err(Into::into) }
    });
    Ok(mounted
        .grpc(server)
        .http_with(access, sockets)
        .check(database)
        .task("projector", |stop| projector.run(stop))
        .task("relay", |stop| relay.run(stop))
        .tasks(tasks)
        .drain("combat", async move || {
            // What was judged is written before the process ends.
            edge.shards.flush().await;
            Ok(())
        }))
}
