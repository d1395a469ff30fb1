//! Rate, errors and duration of every method.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::LATENCY_BUCKETS_SECONDS;
use crate::trace::TraceContext;

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

/// Durations, and of each bucket the newest whose trace is kept somewhere.
type Handling = HistogramWithExemplars<TraceLabel>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

#[derive(Debug)]
pub(super) struct Families {
    handled: Family<HandledLabels, Counter>,
    handling: Family<MethodLabels, Handling, fn() -> Handling>,
    in_flight: Family<MethodLabels, Gauge>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            handled: Family::default(),
            handling: Family::new_with_constructor(|| {
                HistogramWithExemplars::new(LATENCY_BUCKETS_SECONDS.into_iter())
            }),
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
    handling: Handling,
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

    fn end(&self, started: Instant, code: Code, trace: Option<TraceContext>) {
        self.0.in_flight.dec();
        let exemplar =
            trace.map(|trace| TraceLabel { trace_id: format!("{:032x}", trace.trace_id) });
        self.0.handling.observe(started.elapsed().as_secs_f64(), exemplar, None);
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
    /// The service and the method that was called.
    pub(crate) fn method(&self) -> (&str, &str) {
        let MethodLabels { grpc_service, grpc_method } = &self.metrics.0.labels;
        (grpc_service, grpc_method)
    }

    /// Counts the call as ended. Only the first end counts.
    pub fn end(&mut self, code: Code) {
        self.end_as_part_of(code, None);
    }

    /// The same for a call whose trace was sent to a collector.
    pub(crate) fn end_as_part_of(&mut self, code: Code, trace: Option<TraceContext>) {
        if !self.ended {
            self.ended = true;
            self.metrics.end(self.started, code, trace);
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
