//! Metrics of the relays.

use gamemesh_repository::Lane;
use gamemesh_rpc::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Families of one service. Clones share the values.
#[derive(Debug, Clone, Default)]
pub struct OutboxMetrics {
    lag: Family<[(&'static str, String); 1], Gauge>,
    published: Counter,
    failures: Counter,
    fenced: Counter,
}

/// Metrics of the relay of one lane; all but the lag are of all lanes together.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    /// Events of the log that the bus has not acknowledged.
    pub(crate) lag: Gauge,
    pub(crate) published: Counter,
    pub(crate) failures: Counter,
    pub(crate) fenced: Counter,
}

impl OutboxMetrics {
    /// Registers the families. The prefix distinguishes the services of one process.
    pub fn register(metrics: &Metrics, prefix: &str) -> Self {
        let families = Self::default();
        let f = families.clone();
        metrics.register(|registry| {
            registry.register(
                format!("{prefix}_outbox_lag_events"),
                "Events of the log that the bus has not acknowledged",
                f.lag,
            );
            registry.register(
                format!("{prefix}_outbox_published"),
                "Events that the bus has acknowledged",
                f.published,
            );
            registry.register(
                format!("{prefix}_outbox_failures"),
                "Times that the relay had to begin anew",
                f.failures,
            );
            registry.register(
                format!("{prefix}_outbox_fenced"),
                "Times that another instance was found relaying a lane",
                f.fenced,
            );
        });
        families
    }

    pub(crate) fn of(&self, lane: Lane) -> LaneMetrics {
        LaneMetrics {
            lag: self.lag.get_or_create_owned(&[("lane", lane.0.to_string())]),
            published: self.published.clone(),
            failures: self.failures.clone(),
            fenced: self.fenced.clone(),
        }
    }
}
