//! Roles to one set of routes behind the layer stack.

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gamemesh_facts::Contracts;
use gamemesh_rpc::auth::Authenticator;
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{Pprof, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::health::{Checks, Health};
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::methods::Methods;
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::peers::Peers;
use gamemesh_rpc::pprof::{self, HeapDump};
use gamemesh_rpc::reflection;
use gamemesh_rpc::routes::{Routes, RoutesBuilder};
use gamemesh_rpc::service::{Drain, Mounted, Task};
use gamemesh_rpc::stack::{Stack, Stacked};
use gamemesh_rpc::stream_cookie;
use gamemesh_rpc::telemetry::{LogLevel, Tracing};
use http::HeaderMap;
use tower::Layer as _;

/// Every gRPC method of this process behind the layer stack. It is a tower service for
/// `http::Request<tonic::body::Body>`: the gateway calls it, and so does the port.
pub type Upstream = Stacked<Routes>;

/// What [`assemble`] puts together.
#[derive(Debug)]
pub struct Setup<'a> {
    pub config: &'a ServerConfig,
    pub clock: Clock,
    pub metrics: Metrics,
    pub tracing: Tracing,
    /// Shared with the services, whose long-lived work watches it.
    pub lifecycle: Lifecycle,
    /// Encoded `FileDescriptorSet`s; of what is in them, only the services that are mounted are shown.
    pub descriptors: &'a [&'a [u8]],
    pub mounted: Vec<Mounted>,
    /// Of the stores that this process shares with others.
    pub instances: Instances,
    /// What is logged, where that can be changed.
    pub log_level: Option<LogLevel>,
    /// Dumps the heap profile, when the binary's allocator can.
    pub heap: Option<HeapDump>,
}

/// A process that is ready to listen.
#[derive(Debug)]
pub struct App {
    pub(crate) config: ServerConfig,
    pub(crate) upstream: Upstream,
    pub(crate) roles: Vec<&'static str>,
    /// Of the mounted services.
    pub(crate) descriptors: Vec<u8>,
    pub(crate) admin: Router,
    /// The services' own HTTP routes.
    pub(crate) own: Router,
    /// The profiles, when they have their own address.
    pub(crate) own_pprof: Option<Router>,
    pub(crate) health: Health,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: Metrics,
    pub(crate) work: Work,
}

/// The roles' background work and last duties.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) tasks: Vec<Task>,
    pub(crate) drains: Vec<Drain>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tasks.iter().map(|task| &task.name)).finish()
    }
}

/// Puts the roles behind one layer stack, with health, reflection and metrics beside them.
pub async fn assemble(setup: Setup<'_>) -> anyhow::Result<App> {
    let Setup {
        config, clock, metrics, tracing, lifecycle, descriptors, mounted, instances, ..
    } = setup;
    let Setup { log_level, heap, .. } = setup;
    let mut routes = RoutesBuilder::default();
    let (mut names, mut checks, mut work) = (Vec::new(), Vec::new(), Work::default());
    let (mut roles, mut http) = (Vec::new(), Vec::new());
    for role in mounted {
        roles.push(role.role());
        names.extend_from_slice(role.grpc_services());
        let parts = role.into_parts();
        parts.routes.into_iter().for_each(|add| add(&mut routes));
        http.extend(parts.http);
        checks.extend(parts.checks);
        work.tasks.extend(parts.tasks);
        work.drains.extend(parts.drains);
    }
    let authenticator = Authenticator::new(&config.auth, config.environment, clock.clone())?;
    checks.extend(authenticator.check());
    if let Some(refresh) = authenticator.refresh() {
        work.tasks.push(Task::new("jwks", |stop| refresh.run(stop)));
    }
    let health = Health::new(names.clone(), Checks::new(checks), lifecycle.clone()).await;
    health.add(&mut routes);
    let mounted = only(descriptors, &names)?;
    reflection::add(&mut routes, &[&mounted]).context("the descriptors cannot be reflected")?;

    let methods = Methods::new(&[&mounted], &metrics)?;
    let phases = lifecycle.clone();
    let stack = Stack::new(config, methods, authenticator, tracing, &metrics, phases, instances);
    let upstream = stack.layer(routes.build());
    // Two services with the same route are a defect: merging them ends the process with the route's name.
    http.extend(log_level.map(LogLevel::routes));
    http.push(stream_cookie::routes(clock));
    let own = http.into_iter().fold(Router::new(), |own, routes| own.merge(stack.guard(routes)));

    let mut admin = admin(health.clone(), metrics.clone());
    let mut own_pprof = None;
    match config.pprof {
        Pprof::ServicePort => admin = admin.merge(pprof::router(heap)),
        Pprof::Own(_) => own_pprof = Some(pprof::router(heap)),
        Pprof::Off => {}
    }
    Ok(App {
        config: config.clone(),
        upstream,
        roles,
        descriptors: mounted,
        admin,
        own,
        own_pprof,
        health,
        lifecycle,
        metrics,
        work,
    })
}

impl App {
    /// The stack as a service, for the gateway.
    pub fn upstream(&self) -> Upstream {
        self.upstream.clone()
    }

    /// Lets the services of this process, and whoever else holds these peers, call each other.
    pub fn bind(&self, peers: &Peers) {
        peers.bind(self.roles.clone(), self.upstream.clone());
    }

    /// The encoded `FileDescriptorSet` of the services that are mounted, for the gateway.
    pub fn descriptors(&self) -> &[u8] {
        &self.descriptors
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }
}

/// What these sets say of the named services, as one set: encoded sets add up by standing in a row.
fn only(descriptors: &[&[u8]], services: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut mounted = Vec::new();
    for set in descriptors {
        let part = Contracts::only(set, services).context("the descriptors are malformed")?;
        mounted.extend(part);
    }
    Ok(mounted)
}

fn admin(health: Health, metrics: Metrics) -> Router {
    async fn live(State(health): State<Health>) -> Response {
        health.live()
    }
    async fn ready(State(health): State<Health>) -> Response {
        health.ready().await
    }
    let scrape = get(|headers: HeaderMap| async move { metrics.respond(&headers) });
    Router::new()
        .route("/health", get(live))
        .route("/ready", get(ready))
        .with_state(health)
        .route("/metrics", scrape)
}
