//! `gamemesh serve`: configuration to stores, stores to services, services to one port.

use clap::Args;
use gamemesh_contracts::DESCRIPTORS;
use gamemesh_gateway::{Gateway, GatewayConfig, boxed_upstream};
use gamemesh_launch::{Listener, Setup, Signals, assemble};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::peers::{Identity, Peers};
use gamemesh_rpc::telemetry;
use gamemesh_rpc::tls::Connector;

use crate::exit::{Exit, Outcome, Problem};
use crate::opened::{Opened, logs_of};
use crate::roles::Outside;
use crate::{backend_metrics, heap, roles};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    server: ServerArgs,
}

impl ServeArgs {
    pub(crate) fn config(&self) -> Outcome<ServerConfig> {
        Ok(ServerConfig::load(&self.server)?)
    }
}

pub(crate) async fn run(mut config: ServerConfig) -> Outcome {
    let roles = config.roles(&roles::ROLES)?;
    let telemetry = telemetry::init(&config.telemetry).map_err(Problem::failed)?;
    // Bound before anything is opened: a second server on the same port must not touch the store.
    let listener = Listener::bind(config.listen.addr).map_err(|error| {
        Problem::new(Exit::Config, error).hint("choose another HTTP_ADDR or PORT")
    })?;
    // With port 0 it is known only now.
    config.listen.addr = listener.addr();
    let opened = Opened::by(&config, &logs_of(&roles)?).await?;
    let opened = opened.traced(config.storage.database_url.expose(), telemetry.tracing());

    let (clock, metrics, lifecycle) = (Clock::system(), Metrics::new(), Lifecycle::new());
    backend_metrics::register(&metrics, &opened);
    let identity = Identity::new(config.peers.token.as_ref(), &config.auth, clock.clone());
    let connector = Connector::new(&config)
        .map_err(|error| Problem::new(Exit::Config, format!("TLS to other processes: {error}")))?;
    let peers =
        Peers::new(&config.peers.addresses, identity, &connector).map_err(Problem::failed)?;
    let outside = Outside { connector, clock: clock.clone() };
    let instances = outside.instances(&opened);
    let mut mounted = Vec::new();
    for role in roles {
        let role = roles::mount(role, &config, &opened, &outside, &metrics, &lifecycle);
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
        instances,
        log_level: Some(telemetry.log_level()),
        heap: heap::dump(),
    })
    .await?;
    app.bind(&peers);
    let gateway =
        Gateway::new(app.descriptors(), boxed_upstream(app.upstream()), gateway_config(&config))
            .map_err(Problem::failed)?;

    let ended = app.serve(listener, gateway.router(), Signals::of_process()?).await;
    opened.close().await;
    telemetry.shutdown().await;
    Ok(Exit::of_serving(ended?))
}

fn gateway_config(config: &ServerConfig) -> GatewayConfig {
    GatewayConfig { body_bytes_max: config.limits.request_bytes_max, ..GatewayConfig::default() }
}
