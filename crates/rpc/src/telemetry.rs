//! Logs and traces.
//!
//! Logs go to standard error, one JSON object a line (or in colour, on a terminal), and carry the
//! correlation of the call that they belong to. Traces are made only when a collector is
//! configured: without one, no span exists and a call pays one comparison.

mod dependencies;
mod export;
mod format;
mod log_level;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;

use gamemesh_domain::Error;
use http::{Method, StatusCode};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Dispatch, Metadata, Span};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload;

pub use self::log_level::LogLevel;
use crate::config::{LogFormat, TelemetryConfig};
use crate::methods;
use crate::trace::Correlation;

/// The target of the span of each call, and of the parts of a call that a service tells apart. The log
/// leaves these spans out: it has the correlation. Without a collector they are disabled.
pub const RPC_TARGET: &str = "gamemesh::rpc";

/// Whether calls get spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing {
    exporting: bool,
}

/// The telemetry of this process. [`Telemetry::shutdown`] sends what is still buffered.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    log_level: LogLevel,
}

/// Installs logs and traces for the whole process, and logs panics. Call it within the runtime.
pub fn init(config: &TelemetryConfig) -> Result<Telemetry, Error> {
    let (dispatch, telemetry) = build(config, std::io::stderr)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(Error::internal)?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(panic = %panic, "a thread panicked");
    }));
    Ok(telemetry)
}

/// The same without installing anything, with the log going to `writer`.
pub fn build<W>(config: &TelemetryConfig, writer: W) -> Result<(Dispatch, Telemetry), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = log_level::parse("LOG_LEVEL", &config.log_level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(terminal && !json)
        .event_format(format::Line { json })
        .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
        .with_writer(writer)
        .with_filter(filter.and(hinted(|metadata| metadata.target() != RPC_TARGET)));

    let provider = export::provider(config)?;
    let subscriber = tracing_subscriber::registry().with(log);
    // A layer that is `None` would still count as one that wants every span: h2 and hyper make some
    // for each frame, and none of them may cost anything here.
    let dispatch = match &provider {
        None => Dispatch::new(subscriber),
        Some(provider) => {
            let filter = LevelFilter::INFO.and(hinted(|metadata| metadata.is_span()));
            Dispatch::new(subscriber.with(export::layer(provider).with_filter(filter)))
        }
    };
    let log_level = LogLevel::new(&config.log_level, handle);
    Ok((dispatch, Telemetry { provider, log_level }))
}

/// A filter of all levels that says so. Without the hint, the levels that the other filter closes
/// would be asked for at every callsite.
fn hinted(enabled: fn(&Metadata<'_>) -> bool) -> FilterFn<fn(&Metadata<'_>) -> bool> {
    FilterFn::new(enabled).with_max_level_hint(LevelFilter::TRACE)
}

impl Telemetry {
    /// What the layer stack needs to know.
    pub fn tracing(&self) -> Tracing {
        Tracing { exporting: self.provider.is_some() }
    }

    /// What is logged, which can be changed while the process runs.
    pub fn log_level(&self) -> LogLevel {
        self.log_level.clone()
    }

    /// Sends the spans that are still buffered.
    pub async fn shutdown(self) {
        let Some(provider) = self.provider else { return };
        // It waits for its own thread, which needs this runtime to send.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Begins the span of a call, when there is a collector to send it to.
pub(crate) fn enter(
    tracing: &Tracing,
    method: &methods::Method,
    correlation: Correlation,
) -> (Correlation, Option<Span>) {
    if !tracing.exporting {
        return (correlation, None);
    }
    let span = tracing::info_span!(
        target: RPC_TARGET,
        "rpc",
        otel.name = method.path.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.service = method.service,
        rpc.method = method.name,
        rpc.grpc.status_code = tracing::field::Empty,
        correlation_id = tracing::field::Empty,
    );
    let correlation = export::join(&span, correlation);
    span.record("correlation_id", tracing::field::display(correlation.display_id()));
    (correlation, Some(span))
}

/// Makes a span, with [`RPC_TARGET`], a part of a call that is worked on elsewhere than in its own task.
/// The call as seen from within the span; `None` where nobody collects spans.
pub fn part_of(span: &Span, call: &Correlation) -> Option<Correlation> {
    (!span.is_disabled()).then(|| export::join(span, call.clone()))
}

/// Begins the span of a request of a service's own HTTP route.
pub(crate) fn enter_route(
    tracing: &Tracing,
    method: &Method,
    route: &str,
    correlation: Correlation,
) -> (Correlation, Option<Span>) {
    if !tracing.exporting {
        return (correlation, None);
    }
    let span = tracing::info_span!(
        target: RPC_TARGET,
        "http",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method.as_str(),
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        correlation_id = tracing::field::Empty,
    );
    let correlation = export::join(&span, correlation);
    span.record("correlation_id", tracing::field::display(correlation.display_id()));
    (correlation, Some(span))
}

/// Says in its span how a request ended. The semantic conventions count only the server's own failures
/// as errors.
pub(crate) fn leave_route(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
