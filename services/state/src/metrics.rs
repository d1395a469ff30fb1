//! Names of the metrics of the state service. They are fixed: dashboards stand on them.

use gamemesh_documents::DocumentMetrics;
use gamemesh_outbox::OutboxMetrics;
use gamemesh_ownership::OwnershipMetrics;
use gamemesh_rpc::metrics::Metrics;

/// What the families begin with that have no fixed name of their own.
const PREFIX: &str = "gamemesh";

pub(crate) fn documents(metrics: &Metrics) -> DocumentMetrics {
    DocumentMetrics::register(metrics, PREFIX, |name| match name {
        "read_duration_seconds" | "write_duration_seconds" => format!("gsm_state_{name}"),
        "cache_bytes" => "gsm_memory_pool_usage".to_owned(),
        "cache_hits"
        | "cache_misses"
        | "watchers"
        | "snapshots_audited"
        | "snapshots_wrong"
        | "projection_failures" => format!("gsm_{name}"),
        _ => format!("{PREFIX}_{name}"),
    })
}

pub(crate) fn outbox(metrics: &Metrics) -> OutboxMetrics {
    OutboxMetrics::register(metrics, PREFIX)
}

pub(crate) fn ownership(metrics: &Metrics) -> OwnershipMetrics {
    OwnershipMetrics::register(metrics, PREFIX)
}
