#![doc = include_str!("../README.md")]

mod config;
mod convert;
pub mod embedder;
mod engine;
mod game;
mod metrics;
mod rpc;

use gamemesh_contracts::memory::v1::event_service_server::EventServiceServer;
use gamemesh_contracts::memory::v1::game_state_service_server::GameStateServiceServer;
use gamemesh_contracts::memory::v1::memory_service_server::MemoryServiceServer;
use gamemesh_domain::Result;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use tonic::codec::CompressionEncoding;

pub use self::config::{MemoryConfig, Stores};
use self::engine::Engine;
use self::game::Game;
use self::metrics::MemoryMetrics;
use self::rpc::events::EventRpc;
use self::rpc::game_state::GameStateRpc;
use self::rpc::memories::MemoryRpc;

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Answers stay uncompressed: most clients accept gzip without wanting to pay for it.
macro_rules! accepted {
    ($server:expr) => {
        $server
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(RESPONSE_BYTES_MAX)
    };
}

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: MemoryConfig,
    clock: Clock,
    metrics: &Metrics,
    lifecycle: Lifecycle,
) -> Result<Mounted> {
    let log = stores.log.clone();
    let (game, tasks) = Game::open(&stores, &config, clock.clone(), metrics).await?;
    let engine = Engine::open(stores, config, clock, MemoryMetrics::register(metrics)).await?;
    let database = Check::new("memory-database", move || {
        let log = log.clone();
        async move { log.ping().await.map_err(Into::into) }
    });
    let (embeds, notes) = (engine.clone(), engine.clone());
    Ok(Mounted::new("memory")
        .grpc(accepted!(MemoryServiceServer::new(MemoryRpc::new(
            engine.clone(),
            lifecycle.clone()
        ))))
        .grpc(accepted!(GameStateServiceServer::new(GameStateRpc::new(game.clone(), lifecycle))))
        .grpc(accepted!(EventServiceServer::new(EventRpc::new(game))))
        .check(database)
        .tasks(tasks)
        .task("embeddings", move |stop| async move { embeds.embed(stop).await })
        .task("accesses", move |stop| async move { notes.note_accesses(stop).await })
        .drain("accesses", move || async move { engine.write_accesses().await }))
}
