//! What a service hands over when it is mounted.

mod task;

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use futures::future::BoxFuture;
use gamemesh_domain::Error;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;

use crate::health::Check;
use crate::http_route::{Access, HttpRoutes};
use crate::routes::{Answered, RoutesBuilder};

pub use task::{Task, TaskEnd};

type AddRoutes = Box<dyn FnOnce(&mut RoutesBuilder) + Send>;
type RunDrain = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), Error>> + Send>;

/// A role of the process, mounted: its gRPC services, its background work, the dependencies that
/// it needs to be ready, and what it must finish before the process ends.
///
/// ```
/// use gamemesh_rpc::service::Mounted;
/// use gamemesh_rpc::health::Check;
///
/// # fn mount(server: tonic_health::pb::health_server::HealthServer<
/// #     impl tonic_health::pb::health_server::Health>) -> Mounted {
/// Mounted::new("state")
///     .grpc(server)
///     .check(Check::new("database", || async { Ok(()) }))
///     .task("relay", |stop| async move { stop.cancelled().await })
///     .drain("event log", || async { Ok(()) })
/// # }
/// # let (_, server) = tonic_health::server::health_reporter();
/// # assert_eq!(mount(server).grpc_services(), ["grpc.health.v1.Health"]);
/// ```
pub struct Mounted {
    role: &'static str,
    grpc_services: Vec<&'static str>,
    routes: Vec<AddRoutes>,
    http: Vec<HttpRoutes>,
    checks: Vec<Check>,
    tasks: Vec<Task>,
    drains: Vec<(&'static str, RunDrain)>,
}

/// The last thing a role does: flush what is buffered. It runs when no call is in flight.
pub struct Drain {
    pub name: &'static str,
    pub run: RunDrain,
}

/// What a mounted role is taken apart into.
pub struct Parts {
    pub routes: Vec<AddRoutes>,
    pub http: Vec<HttpRoutes>,
    pub checks: Vec<Check>,
    pub tasks: Vec<Task>,
    pub drains: Vec<Drain>,
}

impl Mounted {
    pub fn new(role: &'static str) -> Self {
        Self {
            role,
            grpc_services: Vec::new(),
            routes: Vec::new(),
            http: Vec::new(),
            checks: Vec::new(),
            tasks: Vec::new(),
            drains: Vec::new(),
        }
    }

    /// Adds a gRPC service.
    #[must_use]
    pub fn grpc<S>(mut self, server: S) -> Self
    where
        S: tower::Service<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = Infallible,
                Future = Answered,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.grpc_services.push(S::NAME);
        self.routes.push(Box::new(move |routes| {
            routes.add(server);
        }));
        self
    }

    /// Adds HTTP routes of the service's own, for callers with any valid token. They are asked before the
    /// gateway; a path that they do not know goes on to it.
    #[must_use]
    pub fn http(self, router: Router) -> Self {
        self.http_with(Access::any_role(), router)
    }

    /// Adds HTTP routes of the service's own, for the callers that `access` admits.
    #[must_use]
    pub fn http_with(mut self, access: Access, router: Router) -> Self {
        self.http.push(HttpRoutes { access, router });
        self
    }

    /// Adds a dependency without which the process is not ready.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds background work. One that ends before its token is cancelled, or panics, stops the
    /// process: half a service is worse than a restart.
    #[must_use]
    pub fn task<F>(
        mut self,
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Task::new(name, run));
        self
    }

    /// Adds background work that a part of the service has named.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// Adds what must be done when the last call has ended.
    #[must_use]
    pub fn drain<F>(mut self, name: &'static str, run: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.drains.push((name, Box::new(move || Box::pin(run()))));
        self
    }

    pub fn role(&self) -> &'static str {
        self.role
    }

    pub fn grpc_services(&self) -> &[&'static str] {
        &self.grpc_services
    }

    pub fn into_parts(self) -> Parts {
        Parts {
            routes: self.routes,
            http: self.http,
            checks: self.checks,
            tasks: self.tasks.into_iter().map(|task| task.of(self.role)).collect(),
            drains: self.drains.into_iter().map(|(name, run)| Drain { name, run }).collect(),
        }
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted")
            .field("role", &self.role)
            .field("grpc_services", &self.grpc_services)
            .finish_non_exhaustive()
    }
}
