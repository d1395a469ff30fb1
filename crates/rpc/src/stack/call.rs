//! One call on its way: the future between the request's headers and the response's.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use gamemesh_domain::Error;
use http::Response;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::Sleep;
use tonic::body::Body;
use tracing::Span;

use super::refusal::ReadOut;
use super::watched::{Endless, Watched};
use super::{Admitted, response};
use crate::deadline;
use crate::error::to_status;
use crate::lifecycle::{Lifecycle, Phase};
use crate::limit::{OpenStream, Slot};
use crate::metrics::{Observation, code_name};
use crate::trace::{CORRELATION_HEADER, Correlation};

pin_project! {
    /// The response of a call through the stack.
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F> {
        #[pin]
        state: State<F>,
        // Until the response has begun; then the body carries them on.
        context: Option<CallContext>,
        // Held until the response has begun: a stream that is being read is not work in hand.
        slot: Option<Slot>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Admitted { #[pin] handler: TaskLocalFuture<Correlation, F> },
        Refused { error: Option<Error>, read_out: ReadOut },
    }
}

/// What belongs to a call from its first byte to its last.
pub(super) struct CallContext {
    pub(super) observation: Observation,
    pub(super) correlation: Correlation,
    pub(super) span: Option<Span>,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
    pub(super) token_ends: Option<Instant>,
    /// Open until the body of the answer is dropped.
    pub(super) _stream: Option<OpenStream>,
    pub(super) lifecycle: Option<Lifecycle>,
}

impl<F> Call<F> {
    pub(super) fn admitted(
        handler: TaskLocalFuture<Correlation, F>,
        admitted: Admitted,
        observation: Observation,
        correlation: Correlation,
        span: Option<Span>,
        lifecycle: Lifecycle,
    ) -> Self {
        let deadline = admitted.timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        let Admitted { token_ends, stream, place, .. } = admitted;
        let lifecycle = Some(lifecycle);
        let context = CallContext {
            observation,
            correlation,
            span,
            deadline,
            token_ends,
            _stream: stream,
            lifecycle,
        };
        Self {
            state: State::Admitted { handler },
            context: Some(context),
            slot: place.map(Slot::of),
        }
    }

    pub(super) fn refused(
        error: Error,
        read_out: ReadOut,
        observation: Observation,
        correlation: Correlation,
        span: Option<Span>,
    ) -> Self {
        Self {
            state: State::Refused { error: Some(error), read_out },
            context: Some(CallContext {
                observation,
                correlation,
                span,
                deadline: None,
                token_ends: None,
                _stream: None,
                lifecycle: None,
            }),
            slot: None,
        }
    }
}

impl<F> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let context = this.context.as_mut().expect("a finished call is not polled");
        let answer = match this.state.project() {
            StateProjection::Refused { error, read_out } => {
                ready!(read_out.as_mut().poll(cx));
                Err(error.take().expect("a finished call is not polled"))
            }
            StateProjection::Admitted { handler } => {
                let span = context.span.as_ref().map(Span::enter);
                let polled = catch_unwind(AssertUnwindSafe(|| handler.poll(cx)));
                drop(span);
                match polled {
                    Ok(Poll::Ready(Ok(response))) => {
                        if let Some(slot) = this.slot.take() {
                            slot.done();
                        }
                        Ok(response)
                    }
                    Ok(Poll::Ready(Err(never))) => match never {},
                    Ok(Poll::Pending) => {
                        // Work that nobody waits for any more is dropped with this future.
                        let Some(deadline) = context.deadline.as_mut() else {
                            return Poll::Pending;
                        };
                        ready!(deadline.as_mut().poll(cx));
                        Err(deadline::exceeded())
                    }
                    // A defect in one handler must not take the connection's other calls along.
                    Err(_) => Err(Error::internal("the handler panicked")),
                }
            }
        };
        *this.slot = None;
        let context = this.context.take().expect("a finished call is not polled");
        Poll::Ready(Ok(finish(answer, context)))
    }
}

/// Gives the response its correlation id and leaves the rest of the call to its body.
fn finish(answer: Result<Response<Body>, Error>, mut context: CallContext) -> Response<Body> {
    let correlation = context.correlation.header_value();
    let mut response = match answer {
        Ok(response) => response::typed(response),
        Err(error) => context.correlation.clone().enter_sync(|| to_status(&error)).into_http(),
    };
    response.headers_mut().insert(CORRELATION_HEADER, correlation);
    match response::code(response.headers()) {
        // The status is in the headers already: there is no body to come.
        Some(code) => {
            context.end(code);
            response
        }
        None => {
            let endless = response.extensions().get::<Endless>().is_some();
            response.map(|body| Body::new(Watched::new(body, endless, context)))
        }
    }
}

impl CallContext {
    pub(super) fn is_draining(&self) -> bool {
        self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.phase() == Phase::Draining)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.cutting().is_cancelled())
    }

    pub(super) fn end(&mut self, code: tonic::Code) {
        // What a call came to is found by its correlation id, where that is asked for.
        if tracing::enabled!(tracing::Level::DEBUG) {
            self.correlation.clone().enter_sync(|| {
                let (service, method) = self.observation.method();
                tracing::debug!(service, method, code = code_name(code), "a call has ended");
            });
        }
        let trace = self.span.as_ref().and_then(|_| self.correlation.trace());
        self.observation.end_as_part_of(code, trace.filter(|trace| trace.sampled));
        if let Some(span) = &self.span {
            span.record("rpc.grpc.status_code", code as i32);
            // The semantic conventions count only the server's own failures as errors.
            if matches!(
                code,
                tonic::Code::Unknown
                    | tonic::Code::DeadlineExceeded
                    | tonic::Code::Unimplemented
                    | tonic::Code::Internal
                    | tonic::Code::Unavailable
                    | tonic::Code::DataLoss
            ) {
                span.record("otel.status_code", "ERROR");
            }
        }
    }
}
