//! State: players, matches, the world, and aggregates of any type, event-sourced.
//!
//! A request comes in through one file of `rpc`, is parsed by `convert`, decided and made durable by
//! [`gamemesh_documents`], and answered. Here are the contract, the types that ship, the tables of players
//! and matches, and what is counted. The rules are in `gamemesh-domain`, the log behind a port.

mod access;
mod analytics;
mod config;
mod convert;
mod engine;
mod global;
mod metrics;
mod outbox;
mod rpc;
mod tables;

use std::sync::Arc;

use gamemesh_contracts::state::v1::state_service_server::StateServiceServer;
pub use gamemesh_documents::encoding::fold_changes;
use gamemesh_domain::{Code, Error, Result};
pub use gamemesh_ownership::OwnedLanes;
use gamemesh_ownership::{Forwarder, LeaseManager, Ownership};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use tonic::codec::CompressionEncoding;

pub use self::config::{EventsFormat, StateConfig};
use self::engine::Engine;
pub use self::engine::Stores;
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
    let (engine, tasks) = Engine::open(stores, config, clock, metrics).await?;
    let mut mounted = Mounted::new("state").check(database(log.clone())).tasks(tasks);
    let mut forwarder = None;
    if let Some(owned) = owned {
        let ownership = Arc::new(Ownership::new(log.lanes(), self::metrics::ownership(metrics)));
        let forwarding = Forwarder::new(ownership.clone(), owned.mark.clone());
        let manager = LeaseManager::new(owned, ownership.clone());
        forwarder = Some(Arc::new(WriteForwarder::new(engine.clone(), forwarding)));
        // Its lanes are handed over as soon as the process begins to stop.
        let draining = lifecycle.draining().clone();
        mounted = mounted.task("lease manager", |_| manager.run(draining));
        // Without a lease it writes beside the owners, slower and no less right.
        let check = Check::new("lanes", move || std::future::ready(ownership.check()));
        mounted = mounted.check(check.dispensable());
    }
    // Answers stay uncompressed: most clients accept gzip without wanting to pay for it.
    let server = StateServiceServer::new(StateRpc::new(engine, forwarder, lifecycle))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    mounted = mounted.grpc(server);
    if bus.is_durable() {
        mounted = mounted.check(kafka(bus));
    }
    if let Some(shared) = shared {
        mounted = mounted.check(redis(shared));
    }
    Ok(mounted)
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
