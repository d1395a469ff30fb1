//! Which call is this: the correlation id and the trace that came with it.

mod context;
mod id;
mod state;

use gamemesh_domain::Error;
use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap};

pub use context::TraceContext;
use id::Id;
pub(crate) use state::TraceState;

pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The call that the current task works for. The log reads it, so that every line carries the
    /// correlation id without a span for each call.
    static CURRENT: Correlation;
}

/// What ties log lines, events and calls to other services together.
///
/// Handlers find it in the request's extensions ([`Correlation::of`]) or, within the same task, by
/// [`Correlation::current`]; work given to another task takes a clone along.
#[derive(Debug, Clone)]
pub struct Correlation {
    id: Id,
    trace: Option<TraceContext>,
    /// What vendors say of the trace. It goes on as it came.
    state: Option<TraceState>,
}

impl Correlation {
    /// The caller's `x-correlation-id`, else his `x-request-id`, else the id of his trace, else a
    /// new one. An id that is too long or not printable is replaced: it goes into every log line.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let trace = TraceContext::from_headers(headers).or_else(|| {
            // A caller who wants no trace gets one that nobody keeps, and so does whoever is called next.
            TraceContext::is_denied(headers).then(|| TraceContext {
                trace_id: Id::random(),
                span_id: 1,
                sampled: false,
            })
        });
        let state = trace.and_then(|_| TraceState::from_headers(headers));
        let given = [&CORRELATION_HEADER, &REQUEST_ID_HEADER]
            .into_iter()
            .find_map(|name| headers.get(name).and_then(Id::given));
        let id =
            given.or_else(|| trace.map(|trace| Id::made(trace.trace_id))).unwrap_or_else(Id::new);
        Self { id, trace, state }
    }

    /// A new correlation, for work that no caller asked for.
    pub fn generate() -> Self {
        Self { id: Id::new(), trace: None, state: None }
    }

    /// The correlation of the call that the current task works for.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The correlation that the layer stack put into a request.
    pub fn of(extensions: &Extensions) -> Result<&Self, Error> {
        extensions.get().ok_or_else(|| Error::internal("the layer stack is not applied"))
    }

    /// Runs a future as part of this call.
    pub fn scope<F: Future>(self, future: F) -> tokio::task::futures::TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    /// Runs a function as part of this call.
    pub fn enter_sync<R>(self, run: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, run)
    }

    /// The correlation id as text.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    pub(crate) fn trace_state(&self) -> Option<&TraceState> {
        self.state.as_ref()
    }

    /// The trace id as 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<String> {
        self.trace.map(|trace| format!("{:032x}", trace.trace_id))
    }

    /// The id as a header. One that was made here is never indexed: it would push useful entries
    /// out of the connection's header table.
    pub fn header_value(&self) -> HeaderValue {
        self.id.header_value()
    }

    /// Writes id and trace into the headers of a call to another service, as W3C and as B3.
    pub fn inject(&self, headers: &mut HeaderMap) {
        headers.insert(CORRELATION_HEADER, self.header_value());
        if let Some(trace) = &self.trace {
            trace.inject(headers);
        }
        if let Some(state) = &self.state {
            state.inject(headers);
        }
    }

    /// The same call as seen from a span that was begun here. An id that no caller gave becomes
    /// the trace's, so that one search finds both.
    pub(crate) fn entered(self, trace: TraceContext) -> Self {
        let id = if self.id.is_new() { Id::made(trace.trace_id) } else { self.id };
        Self { id, trace: Some(trace), state: self.state }
    }

    pub(crate) fn with_current<R>(read: impl FnOnce(&Self) -> R) -> Option<R> {
        CURRENT.try_with(read).ok()
    }

    pub(crate) fn display_id(&self) -> &impl std::fmt::Display {
        &self.id
    }
}
