//! Metrics of one process: a registry that is passed around, never a global.
//!
//! ```
//! use gamemesh_rpc::metrics::Metrics;
//! use prometheus_client::metrics::counter::Counter;
//!
//! let metrics = Metrics::new();
//! let hits = Counter::<u64>::default();
//! metrics.register(|registry| {
//!     registry.register("gsm_cache_hits", "Reads that the cache answered", hits.clone());
//! });
//! hits.inc();
//! assert!(metrics.to_open_metrics().contains("gsm_cache_hits_total 1"));
//! ```

mod exposition;
mod http;
mod process;
mod rpc;

use std::sync::Arc;

use ::http::{HeaderMap, header};
use axum::response::IntoResponse;
use parking_lot::RwLock;
use prometheus_client::registry::Registry;

pub(crate) use http::{HttpFamilies, OpenSocket};
pub use rpc::{CODES, MethodMetrics, Observation, code_name};

/// Bucket bounds of every latency histogram, in seconds: 100 µs to 10 s.
pub const LATENCY_BUCKETS_SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0,
];

/// The metrics of this process. Clones share the registry.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: RwLock<Registry>,
    rpc: rpc::Families,
    http: HttpFamilies,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with the metrics of the process and of its calls.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let rpc = rpc::Families::register(&mut registry);
        let http = HttpFamilies::register(&mut registry);
        registry.register_collector(Box::new(process::Process::new()));
        Self(Arc::new(Inner { registry: RwLock::new(registry), rpc, http }))
    }

    /// Registers families. Names are without the `_total` of counters, which the text adds.
    pub fn register<R>(&self, register: impl FnOnce(&mut Registry) -> R) -> R {
        register(&mut self.0.registry.write())
    }

    /// The handles of one method, resolved once and kept by the caller.
    pub fn method(&self, service: &str, method: &str) -> MethodMetrics {
        self.0.rpc.method(service, method)
    }

    /// The metrics of the services' own HTTP routes.
    pub(crate) fn http(&self) -> HttpFamilies {
        self.0.http.clone()
    }

    /// The OpenMetrics text.
    pub fn to_open_metrics(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry.read())
            .expect("writing to a string does not fail");
        text
    }

    /// `GET /metrics`: OpenMetrics when the scraper asks for it, else Prometheus text 0.0.4.
    pub fn respond(&self, request: &HeaderMap) -> axum::response::Response {
        let text = self.to_open_metrics();
        let wants_open = request
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("application/openmetrics-text"));
        let (kind, body) = if wants_open {
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
        } else {
            ("text/plain; version=0.0.4; charset=utf-8", exposition::to_prometheus(&text))
        };
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }
}
