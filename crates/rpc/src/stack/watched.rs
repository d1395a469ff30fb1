//! The body of a response: where a stream meets its deadline, the drain, and its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use gamemesh_domain::{Code, Error};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code as Grpc, Status};
use tracing::Span;

use super::call::CallContext;
use super::response;
use crate::error::to_status;
use crate::lifecycle::Lifecycle;
use crate::{auth, deadline};

/// While draining, a stream that has been silent for this long is ended; one that still sends,
/// such as an export, goes on until the drain timeout. One without an end is ended at once.
const SILENCE_WHILE_DRAINING_MAX: Duration = Duration::from_secs(1);

/// When a caller whose stream was ended by a drain should come back.
const DRAIN_RETRY: Duration = Duration::from_millis(500);

/// Marks a response, as an extension, whose stream has no end of its own, such as a watch: a drain
/// ends it between two messages, and its caller goes on elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Endless;

/// A response body that ends with trailers, whatever happens to it.
pub(super) struct Watched {
    body: Body,
    context: CallContext,
    /// Made when the body is first waited for: the body of a unary response never is.
    drained: Option<BoxFuture<'static, ()>>,
    /// The same, for a token that will expire.
    expired: Option<Pin<Box<Sleep>>>,
    endless: bool,
    ended: bool,
}

impl Watched {
    pub(super) fn new(body: Body, endless: bool, context: CallContext) -> Self {
        Self { body, context, drained: None, expired: None, endless, ended: false }
    }

    /// Ends the stream in place of its handler.
    fn end_with(&mut self, error: &Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        // The handler's stream is dropped here, and with it the work behind it.
        self.body = Body::empty();
        let status = self.context.correlation.clone().enter_sync(|| to_status(error));
        self.context.end(status.code());
        let mut trailers = status.into_http::<()>().into_parts().0.headers;
        trailers.remove(http::header::CONTENT_TYPE);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    /// What ends a stream that has nothing to send now.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Some(deadline) = self.context.deadline.as_mut()
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(deadline::exceeded());
        }
        if let Some(at) = self.context.token_ends {
            let expired =
                self.expired.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
            if expired.as_mut().poll(cx).is_ready() {
                return Poll::Ready(auth::expired());
            }
        }
        let Some(lifecycle) = &self.context.lifecycle else { return Poll::Pending };
        let silence_max = if self.endless { Duration::ZERO } else { SILENCE_WHILE_DRAINING_MAX };
        let drained =
            self.drained.get_or_insert_with(|| Box::pin(silence(lifecycle.clone(), silence_max)));
        drained.as_mut().poll(cx).map(|()| draining())
    }
}

/// What a stream ends with that a drain has ended.
pub fn draining() -> Error {
    Error::new(Code::NotServing, "the server is draining").with_retry_after(DRAIN_RETRY)
}

/// Ends when draining has begun and the silence has lasted long enough.
async fn silence(lifecycle: Lifecycle, max: Duration) {
    lifecycle.draining().cancelled().await;
    // In a box of its own, since every open stream waits for the line above and for most of its time
    // nothing else.
    let silent = async {
        tokio::select! {
            () = lifecycle.cutting().cancelled() => {}
            () = tokio::time::sleep(max) => {}
        }
    };
    Box::pin(silent).await;
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if this.endless && this.context.is_draining() {
            return this.end_with(&draining());
        }
        let span = this.context.span.as_ref().map(Span::enter);
        let correlation = this.context.correlation.clone();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            correlation.enter_sync(|| Pin::new(&mut this.body).poll_frame(cx))
        }));
        drop(span);
        match polled {
            Ok(Poll::Pending) => match this.poll_ending(cx) {
                Poll::Ready(error) => this.end_with(&error),
                Poll::Pending => Poll::Pending,
            },
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.context.end(response::code(trailers).unwrap_or(Grpc::Unknown));
                    this.ended = true;
                } else if this.context.is_cut() {
                    return this.end_with(&draining());
                } else if this.context.token_ends.is_some_and(|at| Instant::now() >= at) {
                    return this.end_with(&auth::expired());
                } else if this.context.is_draining() {
                    // The silence is broken; the next one is measured anew.
                    this.drained = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(Poll::Ready(Some(Err(status)))) => {
                this.context.end(status.code());
                this.ended = true;
                Poll::Ready(Some(Err(status)))
            }
            Ok(Poll::Ready(None)) => {
                this.context.end(Grpc::Unknown);
                this.ended = true;
                Poll::Ready(None)
            }
            Err(_) => this.end_with(&Error::internal("the handler panicked within its stream")),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
