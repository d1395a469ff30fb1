#![doc = include_str!("../README.md")]

mod caller;
mod config;
mod convert;
pub mod embedder;
mod engine;
mod metrics;
mod rpc;

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
use self::metrics::MemoryMetrics;
use self::rpc::memories::MemoryRpc;

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: MemoryConfig,
    clock: Clock,
    metrics: &Metrics,
    lifecycle: Lifecycle,
) -> Result<Mounted> {
    let log = stores.log.clone();
    let engine = Engine::open(stores, config, clock, MemoryMetrics::register(metrics)).await?;
    let memories = MemoryServiceServer::new(MemoryRpc::new(engine.clone(), lifecycle))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    let database = Check::new("database", move || {
        let log = log.clone();
        async move { log.ping().await.map_err(Into::into) }
    });
    let (embeds, notes) = (engine.clone(), engine.clone());
    Ok(Mounted::new("memory")
        .grpc(memories)
        .check(database)
        .task("memory embeddings", move |stop| async move { embeds.embed(stop).await })
        .task("memory accesses", move |stop| async move { notes.note_accesses(stop).await })
        .drain("memory accesses", move || async move { engine.write_accesses().await }))
}
