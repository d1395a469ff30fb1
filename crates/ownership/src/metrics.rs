//! Metrics of an instance that owns lanes.

use std::sync::atomic::AtomicU64;

use gamemesh_rpc::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Families of one service. Clones share the values.
#[derive(Debug, Clone, Default)]
pub struct OwnershipMetrics {
    pub(crate) owned: Gauge,
    pub(crate) takeovers: Counter,
    pub(crate) lease_age_seconds: Gauge<f64, AtomicU64>,
    forwarded: Family<[(&'static str, &'static str); 1], Counter>,
}

impl OwnershipMetrics {
    /// Registers the families. The prefix distinguishes the services of one process.
    pub fn register(metrics: &Metrics, prefix: &str) -> Self {
        let families = Self::default();
        let f = families.clone();
        metrics.register(|registry| {
            registry.register(
                format!("{prefix}_lanes_owned"),
                "Lanes that this instance owns",
                f.owned,
            );
            registry.register(
                format!("{prefix}_lanes_takeovers"),
                "Times that this instance took a lane",
                f.takeovers,
            );
            registry.register(
                format!("{prefix}_lanes_lease_age_seconds"),
                "Since the lease of this instance was renewed",
                f.lease_age_seconds,
            );
            registry.register(
                format!("{prefix}_lanes_calls_passed_on"),
                "Calls that were forwarded to the owner of their lane, by what came of it",
                f.forwarded,
            );
        });
        families
    }

    /// Counts a call that was forwarded.
    pub(crate) fn forwarded(&self, outcome: &'static str) {
        self.forwarded.get_or_create_owned(&[("outcome", outcome)]).inc();
    }
}
