//! What clients cost before it is known who they are: one [`Edge`] for each process, and one
//! [`Connection`] for each connection. A request carries its connection as an extension.

mod connection;
mod received;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::config::Limits;
use crate::metrics::Metrics;
pub use connection::Connection;
use received::Pace;
pub use received::Received;

/// What all connections of a process share. Clones are the same.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    receiving: AtomicUsize,
    receiving_max: usize,
    connection_receiving_max: usize,
    receiving_bytes: Gauge,
    receiving_refused: Counter,
    receiving_late: Counter,
    pace: Pace,
}

impl Edge {
    pub fn new(limits: &Limits, metrics: &Metrics) -> Self {
        let shared = Shared {
            receiving: AtomicUsize::new(0),
            receiving_max: limits.receiving_bytes_max,
            connection_receiving_max: limits.connection_receiving_bytes_max,
            receiving_bytes: Gauge::default(),
            receiving_refused: Counter::default(),
            receiving_late: Counter::default(),
            pace: Pace {
                grace: limits.body_grace,
                bytes_per_second_min: limits.body_bytes_per_second_min,
            },
        };
        metrics.register(|registry| {
            registry.register(
                "gamemesh_receiving_bytes",
                "Bytes of request bodies that are being received or worked on",
                shared.receiving_bytes.clone(),
            );
            registry.register(
                "gamemesh_receiving_refused",
                "Requests refused because too many bytes were being received",
                shared.receiving_refused.clone(),
            );
            registry.register(
                "gamemesh_receiving_late",
                "Requests refused because their message came too slowly",
                shared.receiving_late.clone(),
            );
        });
        Self(Arc::new(shared))
    }
}
