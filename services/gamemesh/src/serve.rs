//! `gamemesh serve`: configuration to stores, stores to services, services to one port.

use clap::Args;
use gamemesh_backends::Capacity;
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_launch::{Listener, Setup, Signals, assemble};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::telemetry;

use crate::exit::{Exit, Outcome, Problem};
use crate::{heap, pools, roles};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: ServeArgs) -> Outcome {
    let config = ServerConfig::load(&args.server)?;
    let roles = config.roles(&roles::ROLES)?;
    let telemetry = telemetry::init(&config.telemetry).map_err(Problem::failed)?;
    // Bound before anything is opened: a second server on the same port must not touch the store.
    let listener = Listener::bind(config.listen.addr).map_err(|error| {
        Problem::new(Exit::Config, error).hint("choose another HTTP_ADDR or PORT")
    })?;
    tell_unused(&config);
    let url = config.storage.database_url.expose();
    let backends = gamemesh_backends::open(url, capacity(&config)).await?;

    let bus = gamemesh_backends::open_bus(&config.kafka.brokers, config.kafka.message_bytes_max)?;

    let (clock, metrics, lifecycle) = (Clock::system(), Metrics::new(), Lifecycle::new());
    pools::register(&metrics, &backends);
    let mut mounted = Vec::new();
    for role in roles {
        let role = roles::mount(role, &config, &backends, &bus, &clock, &metrics, &lifecycle);
        mounted.push(role.await?);
    }
    let app = assemble(Setup {
        config: &config,
        clock,
        metrics,
        tracing: telemetry.tracing(),
        lifecycle,
        descriptors: &[DESCRIPTORS],
        mounted,
        heap: heap::dump(),
    })
    .await?;
    let gateway =
        Gateway::new(DESCRIPTORS, boxed_upstream(app.upstream()), gateway_config(&config))
            .map_err(Problem::failed)?;

    let ended = app.serve(listener, gateway.router(), Signals::of_process()?).await;
    backends.close().await;
    telemetry.shutdown().await;
    Ok(Exit::of_serving(ended?))
}

fn capacity(config: &ServerConfig) -> Capacity {
    Capacity {
        readers: config.tuning.workers as u32,
        queue_max: config.tuning.buffer_size,
        server_connections_min: config.storage.postgres_min_conns,
        server_connections_max: config.storage.postgres_max_conns,
    }
}

/// Nobody should believe that a server is used which is not.
fn tell_unused(config: &ServerConfig) {
    let unused = [
        ("POSTGRES_REPLICA_URLS", !config.storage.postgres_replica_urls.is_empty()),
        ("REDIS_URL", config.redis.url.is_some()),
    ];
    for (key, _) in unused.iter().filter(|(_, given)| *given) {
        tracing::warn!(
            key,
            "this version does not use it yet: state is kept and served without it"
        );
    }
}

fn gateway_config(config: &ServerConfig) -> GatewayConfig {
    GatewayConfig { body_bytes_max: config.limits.request_bytes_max, ..GatewayConfig::default() }
}
