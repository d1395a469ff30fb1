//! `gamemesh gateway`: the gateway alone, in front of any gRPC server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gamemesh_gateway::{Gateway, GatewayConfig, METADATA_BYTES_MAX, boxed_upstream};
use gamemesh_launch::{Listener, Setup, Signals, assemble};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::error::{Code, Error};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::health::Check;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::service::Mounted;
use gamemesh_rpc::telemetry;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

use crate::exit::{Exit, Outcome, Problem};
use crate::heap;

/// For a connection to the upstream server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The environment that counts here: what has to do with this process and not with a store or with
/// tokens, which the upstream server checks itself.
const ENVIRONMENT: [&str; 6] = [
    "LOG_LEVEL",
    "LOG_FORMAT",
    "MAX_CONNECTIONS",
    "DRAIN_TIMEOUT",
    "CORS_ORIGINS",
    "MAX_REQUEST_BYTES",
];

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Encoded FileDescriptorSet with imports: `buf build -o api.binpb`, or
    /// `protoc --include_imports --descriptor_set_out=api.binpb`
    #[arg(long, value_name = "FILE")]
    descriptor_set: PathBuf,
    /// The gRPC server, as http://host:port
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Pass over rules that cannot be served, with a warning for each, instead of refusing to start
    #[arg(long)]
    skip_bad_rules: bool,
    /// File to write the bound port to, once listening
    #[arg(long, value_name = "FILE")]
    port_file: Option<String>,
}

pub(crate) async fn run(args: GatewayArgs) -> Outcome {
    let descriptors = std::fs::read(&args.descriptor_set).map_err(|error| {
        Problem::new(Exit::Config, format!("{}: {error}", args.descriptor_set.display()))
    })?;
    let config = config(&args)?;
    let telemetry = telemetry::init(&config.telemetry).map_err(Problem::failed)?;
    let endpoint = endpoint(&args.upstream)?;
    let gateway = Gateway::new(
        &descriptors,
        boxed_upstream(channel(&endpoint)),
        GatewayConfig {
            body_bytes_max: config.limits.request_bytes_max,
            skips_bad_rules: args.skip_bad_rules,
            title: args.upstream.clone(),
            ..GatewayConfig::default()
        },
    )
    .map_err(|error| Problem::new(Exit::Config, error))?;
    let app = assemble(Setup {
        config: &config,
        clock: Clock::system(),
        metrics: Metrics::new(),
        tracing: telemetry.tracing(),
        lifecycle: Lifecycle::new(),
        // gRPC callers go to the upstream server itself.
        descriptors: &[],
        mounted: vec![Mounted::new("gateway").check(upstream_check(&endpoint))],
        instances: Instances::default(),
        log_level: Some(telemetry.log_level()),
        heap: heap::dump(),
    })
    .await?;
    let listener =
        Listener::bind(config.listen.addr).map_err(|error| Problem::new(Exit::Config, error))?;
    let ended = app.serve(listener, gateway.router(), Signals::of_process()?).await;
    telemetry.shutdown().await;
    Ok(Exit::of_serving(ended?))
}

fn config(args: &GatewayArgs) -> Outcome<ServerConfig> {
    let mut server = ServerArgs::default().with("http-addr", &args.listen);
    if let Some(path) = &args.port_file {
        server = server.with("port-file", path);
    }
    let env = |name: &str| ENVIRONMENT.contains(&name).then(|| std::env::var(name).ok()).flatten();
    Ok(ServerConfig::resolve(&server, env, None)?)
}

fn endpoint(upstream: &str) -> Outcome<Endpoint> {
    let wrong = || {
        Problem::new(
            Exit::Config,
            format!("--upstream {upstream:?} is not a URL such as http://127.0.0.1:9000"),
        )
    };
    if !upstream.starts_with("http://") {
        return Err(wrong());
    }
    Ok(Endpoint::from_shared(upstream.to_owned())
        .map_err(|_| wrong())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_max_header_list_size(METADATA_BYTES_MAX)
        .tcp_nodelay(true))
}

/// A server that is away now may come back: the connection is made when it is needed.
fn channel(endpoint: &Endpoint) -> Channel {
    endpoint.connect_lazy()
}

fn upstream_check(endpoint: &Endpoint) -> Check {
    let uri = endpoint.uri();
    let address = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    Check::new("upstream", move || {
        let address = address.clone();
        async move {
            TcpStream::connect(&address).await.map(drop).map_err(|error| {
                Error::new(Code::DependencyUnavailable, format!("{address}: {error}"))
            })
        }
    })
}
