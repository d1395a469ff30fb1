//! Rate, errors and duration of the services' own HTTP routes.

use std::time::Instant;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::LATENCY_BUCKETS_SECONDS;

/// Counted for a caller who went away before the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The route is the pattern that was matched, never the path: callers cannot make series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SocketLabels {
    route: String,
}

/// The families; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct HttpFamilies {
    requests: Family<StatusLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    sockets: Family<SocketLabels, Gauge>,
}

impl HttpFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS_SECONDS)),
            sockets: Family::default(),
        };
        registry.register(
            "http_server_requests",
            "Requests for the services' own HTTP routes that were answered, by status code",
            families.requests.clone(),
        );
        registry.register(
            "http_server_request_seconds",
            "Time from the request's headers to the response's",
            families.seconds.clone(),
        );
        registry.register(
            "http_server_websockets_open",
            "WebSockets that are open on the services' own HTTP routes",
            families.sockets.clone(),
        );
        families
    }

    /// Counts a request as begun.
    pub(crate) fn begin(&self, route: &str, method: &Method) -> HttpObservation {
        HttpObservation {
            families: self.clone(),
            labels: RouteLabels { route: route.to_owned(), method: known(method) },
            started: Instant::now(),
            ended: false,
        }
    }

    /// Counts a WebSocket as open until it is dropped.
    pub(crate) fn socket(&self, route: &str) -> OpenSocket {
        let open = self.sockets.get_or_create_owned(&SocketLabels { route: route.to_owned() });
        open.inc();
        OpenSocket(open)
    }
}

/// A request that has begun.
#[derive(Debug)]
pub(crate) struct HttpObservation {
    families: HttpFamilies,
    labels: RouteLabels,
    started: Instant,
    ended: bool,
}

impl HttpObservation {
    /// Counts the request as answered.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.count(status.as_u16());
    }

    fn count(&mut self, status: u16) {
        self.ended = true;
        let RouteLabels { route, method } = self.labels.clone();
        self.families.requests.get_or_create(&StatusLabels { route, method, status }).inc();
        let seconds = self.started.elapsed().as_secs_f64();
        self.families.seconds.get_or_create(&self.labels).observe(seconds);
    }
}

impl Drop for HttpObservation {
    fn drop(&mut self) {
        if !self.ended {
            self.count(CLIENT_CLOSED_REQUEST);
        }
    }
}

/// A WebSocket that is open.
pub(crate) struct OpenSocket(Gauge);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}
