//! Is the process alive, is it ready, and which of its dependencies is not.
//!
//! `GET /health` answers as long as the process can answer. `GET /ready` asks every dependency,
//! and is refused while the process starts or drains. `grpc.health.v1` tells the same for each
//! service, to watchers too.

mod answers;
mod checks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};

use answers::Answers;
pub use checks::{CHECK_TIMEOUT, Check, CheckReport, Checks};

use crate::lifecycle::{Lifecycle, Phase};
use crate::routes::RoutesBuilder;

/// How often the services' gRPC status follows their dependencies.
pub const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// The health of a process. Clones are the same process.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reporter: HealthReporter,
    services: Vec<&'static str>,
    checks: Checks,
    lifecycle: Lifecycle,
}

impl Health {
    /// Nothing serves until [`Health::follow`] has seen the lifecycle serving and the checks pass.
    pub async fn new(services: Vec<&'static str>, checks: Checks, lifecycle: Lifecycle) -> Self {
        let health =
            Self(Arc::new(Inner { reporter: HealthReporter::new(), services, checks, lifecycle }));
        health.tell(ServingStatus::NotServing).await;
        health
    }

    /// Adds `grpc.health.v1.Health` to the routes.
    pub fn add(&self, routes: &mut RoutesBuilder) {
        let service = Answers(HealthService::from_health_reporter(self.0.reporter.clone()));
        routes.add(tonic_health::pb::health_server::HealthServer::new(service));
    }

    /// Keeps the gRPC status true until the process drains.
    pub async fn follow(self) {
        let draining = self.0.lifecycle.draining().clone();
        loop {
            self.refresh().await;
            tokio::select! {
                () = draining.cancelled() => break,
                () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
            }
        }
        self.tell(ServingStatus::NotServing).await;
    }

    /// Asks the checks now and tells the watchers.
    pub async fn refresh(&self) {
        let healthy = self.0.lifecycle.phase() == Phase::Serving
            && self.0.checks.run().await.iter().all(CheckReport::lets_serve);
        let status = if healthy { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.tell(status).await;
    }

    /// `GET /health`.
    pub fn live(&self) -> Response {
        Json(json!({ "status": "healthy", "checks": {} })).into_response()
    }

    /// `GET /ready`.
    pub async fn ready(&self) -> Response {
        let reports = self.0.checks.run().await;
        let phase = self.0.lifecycle.phase();
        let checks: serde_json::Map<String, Value> =
            reports.iter().map(|report| (report.name.to_owned(), report.to_json())).collect();
        let serves = reports.iter().all(CheckReport::lets_serve);
        let healthy = reports.iter().all(CheckReport::is_healthy);
        let (code, status) = match (phase, serves) {
            (Phase::Serving, true) if healthy => (StatusCode::OK, "healthy"),
            (Phase::Serving, true) => (StatusCode::OK, "degraded"),
            (Phase::Serving, false) => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
            (Phase::Starting, _) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            (Phase::Draining, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        };
        (code, Json(json!({ "status": status, "checks": checks }))).into_response()
    }

    async fn tell(&self, status: ServingStatus) {
        // The empty name stands for the whole server.
        for service in self.0.services.iter().copied().chain([""]) {
            self.0.reporter.set_service_status(service, status).await;
        }
    }
}
