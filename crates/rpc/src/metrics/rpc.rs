//! Rate, errors and duration of every method.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::LATENCY_BUCKETS_SECONDS;

/// How many gRPC status codes there are.
pub const CODES: usize = 17;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandledLabels {
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

#[derive(Debug)]
pub(super) struct Families {
    handled: Family<HandledLabels, Counter>,
    handling: Family<MethodLabels, Histogram, fn() -> Histogram>,
    in_flight: Family<MethodLabels, Gauge>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            handled: Family::default(),
            handling: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS_SECONDS)),
            in_flight: Family::default(),
        };
        registry.register(
            "grpc_server_handled",
            "Calls that ended, by status code",
            families.handled.clone(),
        );
        registry.register(
            "grpc_server_handling_seconds",
            "Time from the request's headers to the end of the response",
            families.handling.clone(),
        );
        registry.register(
            "grpc_server_in_flight",
            "Calls that have begun and not ended",
            families.in_flight.clone(),
        );
        families
    }

    pub(super) fn method(&self, service: &str, method: &str) -> MethodMetrics {
        let labels =
            MethodLabels { grpc_service: service.to_owned(), grpc_method: method.to_owned() };
        MethodMetrics(Arc::new(Handles {
            handling: self.handling.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            handled: Default::default(),
            handled_family: self.handled.clone(),
            labels,
        }))
    }
}

/// The handles of one method: a call touches atomics only, no map and no label.
#[derive(Debug, Clone)]
pub struct MethodMetrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    handling: Histogram,
    in_flight: Gauge,
    /// Made when a code first occurs, so that a scrape does not carry series that never were.
    handled: [OnceLock<Counter>; CODES],
    handled_family: Family<HandledLabels, Counter>,
    labels: MethodLabels,
}

impl MethodMetrics {
    /// Counts a call as begun.
    pub fn begin(&self) -> Observation {
        self.0.in_flight.inc();
        Observation { metrics: self.clone(), started: Instant::now(), ended: false }
    }

    fn end(&self, started: Instant, code: Code) {
        self.0.in_flight.dec();
        self.0.handling.observe(started.elapsed().as_secs_f64());
        let counter = self.0.handled[code as usize].get_or_init(|| {
            self.0.handled_family.get_or_create_owned(&HandledLabels {
                grpc_service: self.0.labels.grpc_service.clone(),
                grpc_method: self.0.labels.grpc_method.clone(),
                grpc_code: code_name(code),
            })
        });
        counter.inc();
    }
}

/// A call that has begun. Dropped without an end, it counts as cancelled: the caller went away.
#[derive(Debug)]
pub struct Observation {
    metrics: MethodMetrics,
    started: Instant,
    ended: bool,
}

impl Observation {
    /// Counts the call as ended. Only the first end counts.
    pub fn end(&mut self, code: Code) {
        if !self.ended {
            self.ended = true;
            self.metrics.end(self.started, code);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The name of a status code as Go's and Java's gRPC metrics spell it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
