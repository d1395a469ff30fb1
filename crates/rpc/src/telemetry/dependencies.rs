//! Spans of what a call asks of servers: the log's statements and the bus's messages.
//!
//! They are made where a collector is configured, and for calls only whose trace is sampled. What the
//! process does of its own accord has no trace that anybody would look for.

mod bus;
mod log;

use std::sync::Arc;

use gamemesh_bus::Publisher;
use gamemesh_repository::EventLog;
use opentelemetry::trace::TraceState;
use tracing::Span;

use super::{RPC_TARGET, Tracing, export};
use crate::trace::{Correlation, TraceContext};

impl Tracing {
    /// The log with a span for each statement. `system` is the database's name in the semantic
    /// conventions, such as `postgresql`.
    pub fn log(&self, log: Arc<dyn EventLog>, system: &'static str) -> Arc<dyn EventLog> {
        if self.exporting { Arc::new(log::TracedLog::new(log, system)) } else { log }
    }

    /// The bus with a span for each message, which the message names as its cause.
    pub fn publisher(&self, publisher: Arc<dyn Publisher>) -> Arc<dyn Publisher> {
        if self.exporting { Arc::new(bus::TracedPublisher::new(publisher)) } else { publisher }
    }
}

/// The trace of the call that the current task works for, if it is sampled.
fn sampled() -> Option<TraceContext> {
    let trace = Correlation::with_current(Correlation::trace).flatten();
    trace.filter(|trace| trace.sampled)
}

/// The span of a statement, for a call that is sampled.
fn statement(system: &'static str, operation: &'static str) -> Option<Span> {
    let parent = sampled()?;
    let span = tracing::info_span!(
        target: RPC_TARGET,
        "statement",
        otel.name = format_args!("{operation} {system}"),
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        db.system.name = system,
        db.operation.name = operation,
    );
    export::follow(&span, parent, TraceState::default());
    Some(span)
}

/// The span of a message, and where it stands in its trace.
fn message(topic: &str, parent: TraceContext) -> (Span, Option<TraceContext>) {
    let span = tracing::info_span!(
        target: RPC_TARGET,
        "message",
        otel.name = format_args!("publish {topic}"),
        otel.kind = "producer",
        otel.status_code = tracing::field::Empty,
        messaging.system = "kafka",
        messaging.operation.r#type = "publish",
        messaging.destination.name = topic,
    );
    export::follow(&span, parent, TraceState::default());
    let own = export::context_of(&span);
    (span, own)
}

/// Says in its span how a statement or a message ended.
fn ended<T, E>(span: &Span, result: &Result<T, E>) {
    if result.is_err() {
        span.record("otel.status_code", "ERROR");
    }
}
