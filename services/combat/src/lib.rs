#![doc = include_str!("../README.md")]

mod caller;
mod config;
pub mod content;
mod contents;
mod convert;
mod create;
mod edge;
mod ids;
mod metrics;
mod recover;
mod replay;
mod rpc;
mod shard;
mod socket;
mod spectate;
mod stats;
mod stored;
mod token;

use std::sync::Arc;

use gamemesh_contracts::combat::v1::combat_service_server::CombatServiceServer;
use gamemesh_domain::Result;
use gamemesh_repository::EventLog;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use tonic::codec::CompressionEncoding;

pub use self::config::CombatConfig;
use self::contents::Contents;
use self::edge::{Edge, Shared};
use self::metrics::CombatMetrics;
use self::rpc::CombatRpc;
use self::shard::shards::Shards;
use self::token::Tokens;

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// What the service stands on.
#[derive(Clone)]
pub struct Stores {
    /// Combat's own log.
    pub log: Arc<dyn EventLog>,
}

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: CombatConfig,
    clock: Clock,
    metrics: &Metrics,
) -> Result<Mounted> {
    let log = stores.log;
    let metrics = CombatMetrics::register(metrics);
    let contents = Contents::open(log.clone(), config.content, clock.now_micros()).await?;
    let tokens = Tokens::new(&config.token_secret, log.incarnation());
    let shared = Arc::new(Shared {
        log: log.clone(),
        contents,
        clock: clock.clone(),
        metrics: metrics.clone(),
    });
    let shards = Shards::start(config.shards, &shared)?;
    let edge = Arc::new(Edge { shared, shards, tokens, clock, metrics });
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
    Ok(Mounted::new("combat").grpc(server).http_with(access, sockets).check(database).drain(
        "combat",
        async move || {
            // What was judged is written before the process ends.
            edge.shards.flush().await;
            Ok(())
        },
    ))
}
