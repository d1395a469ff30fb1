//! Traces to an OTLP collector.

use std::path::Path;
use std::time::Duration;

use gamemesh_domain::Error;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Tracer};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{ClientTlsFiles, TelemetryConfig};
use crate::trace::{Correlation, TraceContext};

/// The name under which collectors show this process.
const SERVICE_NAME: &str = "gamemesh";

/// For one batch of spans to be taken.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// A provider that sends in batches from a thread of its own; a collector that is away costs
/// dropped spans, never a waiting call.
pub(super) fn provider(config: &TelemetryConfig) -> Result<Option<SdkTracerProvider>, Error> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder().with_tonic().with_timeout(EXPORT_TIMEOUT);
    let exporter = if endpoint.starts_with("https://") {
        exporter.with_channel(over_tls(endpoint, &config.otlp_tls)?)
    } else {
        exporter.with_endpoint(endpoint)
    };
    let exporter = exporter
        .build()
        .map_err(|error| Error::internal(error).with_fact("otlpEndpoint", endpoint))?;
    let sampler =
        Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.otlp_sample_ratio)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name(SERVICE_NAME).build())
        .build();
    Ok(Some(provider))
}

/// A connection to a collector whose certificate is verified; made when the first spans are sent.
fn over_tls(endpoint: &str, files: &ClientTlsFiles) -> Result<Channel, Error> {
    let read = |key: &str, path: &Path| {
        let wrong = |error| Error::invalid(key, format!("{}: {error}", path.display()));
        std::fs::read(path).map_err(wrong)
    };
    let mut tls = match &files.ca_file {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(path) => {
            let pem = read("OTEL_EXPORTER_OTLP_CERTIFICATE", path)?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
    };
    if let Some((certificate, key)) = &files.certificate {
        let certificate = read("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate)?;
        let key = read("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)?;
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        Error::invalid("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{endpoint}: {error}"))
    };
    let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(|error| wrong(&error))?;
    let channel = channel.tls_config(tls).map_err(|error| wrong(&error))?;
    Ok(channel.timeout(EXPORT_TIMEOUT).connect_lazy())
}

pub(super) fn layer<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, Tracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE_NAME))
}

/// Makes the span a child of the caller's, and the correlation one of the span.
pub(super) fn join(span: &Span, correlation: Correlation) -> Correlation {
    if let Some(parent) = correlation.trace() {
        let state = correlation.trace_state().and_then(|state| state.as_str().parse().ok());
        follow(span, parent, state.unwrap_or_default());
    }
    match context_of(span) {
        Some(own) => correlation.entered(own),
        None => correlation,
    }
}

/// Makes the span a child of what was begun elsewhere.
pub(super) fn follow(span: &Span, parent: TraceContext, state: TraceState) {
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let remote = SpanContext::new(
        TraceId::from_bytes(parent.trace_id.to_be_bytes()),
        SpanId::from_bytes(parent.span_id.to_be_bytes()),
        flags,
        true,
        state,
    );
    let parent = opentelemetry::Context::new().with_remote_span_context(remote);
    if span.set_parent(parent).is_err() {
        tracing::debug!("no trace layer took the span of this call");
    }
}

/// Where a span stands in its trace, if a tracer has taken it.
pub(super) fn context_of(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then(|| TraceContext {
        trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(own.span_id().to_bytes()),
        sampled: own.is_sampled(),
    })
}
