//! State: players, matches, the world, and aggregates of any type, event-sourced.
//!
//! A request comes in through one file of `rpc`, is parsed by `convert`, decided and made durable by
//! `engine`, and answered. The rules are in `gamemesh-domain`, the log behind a port.

mod caller;
mod config;
mod convert;
mod engine;
mod metrics;
mod outbox;
mod rpc;

use std::sync::Arc;

use gamemesh_contracts::state::v1::state_service_server::StateServiceServer;
use gamemesh_domain::{Code, Error, Result};
pub use gamemesh_ownership::OwnedLanes;
use gamemesh_ownership::{Forwarder, LeaseManager, Ownership, OwnershipMetrics};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codec::CompressionEncoding;

pub use self::config::{EventsFormat, StateConfig};
use self::engine::Engine;
pub use self::engine::Stores;
pub use self::engine::stored::fold_changes;
use self::metrics::{PREFIX, StateMetrics};
use self::rpc::StateRpc;
use self::rpc::forwarding::WriteForwarder;

/// Size of one request.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Size of one answer.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Opens the service on its stores and mounts it.
pub async fn mount(
    stores: Stores,
    config: StateConfig,
    clock: Clock,
    metrics: &Metrics,
    lifecycle: Lifecycle,
) -> Result<Mounted> {
    let (log, bus, shared) = (stores.log.clone(), stores.bus.clone(), stores.shared.clone());
    let owned = stores.lanes.clone();
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let state_metrics = StateMetrics::register(metrics);
    let engine = Engine::open(stores, config, clock, state_metrics, &tasks, &stop).await?;
    let ownership = owned.map(|owned| {
        let ownership = OwnershipMetrics::register(metrics, PREFIX);
        let ownership = Arc::new(Ownership::new(log.lanes(), ownership));
        let forwarder = Forwarder::new(ownership.clone(), owned.mark.clone());
        let manager = LeaseManager::new(owned, ownership.clone());
        tasks.spawn(manager.run(lifecycle.draining().clone()));
        (ownership, Arc::new(WriteForwarder::new(engine.clone(), forwarder)))
    });
    let (ownership, forwarder) = ownership.unzip();
    // Answers stay uncompressed: most clients accept gzip without wanting to pay for it.
    let server = StateServiceServer::new(StateRpc::new(engine, forwarder, lifecycle))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    let mut mounted = Mounted::new("state").grpc(server).check(database(log));
    if let Some(ownership) = ownership {
        // Without a lease it writes beside the owners, slower and no less right.
        let check = Check::new("lanes", move || std::future::ready(ownership.check()));
        mounted = mounted.check(check.dispensable());
    }
    if bus.is_durable() {
        mounted = mounted.check(kafka(bus));
    }
    if let Some(shared) = shared {
        mounted = mounted.check(redis(shared));
    }
    Ok(mounted.drain("state", async move || {
        // What is committed is projected before the process ends; nothing depends on it.
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        Ok(())
    }))
}

/// Events wait in the log while it is away, so that nobody needs to be turned away.
fn kafka(bus: Arc<dyn gamemesh_bus::Publisher>) -> Check {
    let check = Check::new("kafka", move || {
        let bus = bus.clone();
        async move { bus.ping().await.map_err(Into::into) }
    });
    check.dispensable()
}

/// Everything is served without it.
fn redis(shared: Arc<dyn gamemesh_cache::L2>) -> Check {
    let check = Check::new("redis", move || {
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
    Check::new("database", move || {
        let log = log.clone();
        async move { log.ping().await.map_err(Into::into) }
    })
}
