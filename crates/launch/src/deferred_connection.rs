//! A connection that is polled only after the tasks that are ready have run.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures::task::AtomicWaker;
use gamemesh_rpc::edge::{Connection, OpenCall};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;

/// Each call that has an answer wakes its connection, and the scheduler runs at once what was just woken: one
/// write to the socket for each answer. Deferred behind the other ready tasks, the connection finds the
/// answers of all calls that were ready and writes them together.
///
/// The same holds for a client's connection and the calls that begin on it.
///
/// This relies on how the scheduler treats a task that yields. Another treatment would cost writes, not
/// answers.
pub struct DeferredConnection<F> {
    future: F,
    defer: Arc<DeferState>,
}

/// Shared by a connection and its calls.
#[derive(Default)]
pub struct DeferState {
    /// Here and not beside the future: a connection's task is large enough.
    state: AtomicU8,
    /// Calls that have no answer yet.
    calls: AtomicUsize,
    task: AtomicWaker,
}

/// A connection with fewer calls in flight has no answers to gather, and is not deferred.
const CALLS_MIN: usize = 2;

/// Nothing has happened since the future was polled.
const IDLE: u8 = 0;
/// The task was woken and has yielded.
const DEFERRED: u8 = 1;
/// The others have run.
const DUE: u8 = 2;

impl DeferState {
    /// A call begins; it has its answer when this is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlightGuard {
        self.calls.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    fn transition(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<F> DeferredConnection<F> {
    pub const fn new(future: F, defer: Arc<DeferState>) -> Self {
        Self { future, defer }
    }
}

impl<F: Future + Unpin> Future for DeferredConnection<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.defer.task.register(context.waker());
        if self.defer.calls.load(Ordering::Relaxed) >= CALLS_MIN
            && self.defer.transition(IDLE, DEFERRED)
        {
            let defer = Waker::from(self.defer.clone());
            // The yield wakes the state and not this task, which anything else may wake too.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&defer));
        }
        if self.defer.state.load(Ordering::Acquire) == DEFERRED {
            return Poll::Pending;
        }
        self.defer.state.store(IDLE, Ordering::Release);
        Pin::new(&mut self.future).poll(context)
    }
}

impl Wake for DeferState {
    fn wake(self: Arc<Self>) {
        if self.transition(DEFERRED, DUE) {
            self.task.wake();
        }
    }
}

/// A service that counts the calls of its connection, each of which knows it.
pub(crate) struct Counted<S> {
    service: S,
    connection: Arc<Connection>,
    defer: Arc<DeferState>,
}

pin_project! {
    pub(crate) struct Call<F> {
        #[pin]
        future: F,
        in_flight: Option<InFlightGuard>,
        open: Option<OpenCall>,
    }
}

pin_project! {
    /// The body of an answer; the call is open until it ends.
    pub(crate) struct OpenBody<B> {
        #[pin]
        body: B,
        open: OpenCall,
    }
}

/// A call that has no answer yet.
pub struct InFlightGuard(Arc<DeferState>);

impl<S> Counted<S> {
    pub(crate) const fn new(
        service: S,
        connection: Arc<Connection>,
        defer: Arc<DeferState>,
    ) -> Self {
        Self { service, connection, defer }
    }
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<OpenBody<B>>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.connection));
        let in_flight = Some(self.defer.begin());
        let open = Some(self.connection.begin());
        Call { future: self.service.call(request), in_flight, open }
    }
}

impl<F, B> Future for Call<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<OpenBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.project();
        let Ok(answer) = ready!(call.future.poll(context));
        // Its body may last.
        *call.in_flight = None;
        let mut open = call.open.take().expect("a finished call is not polled");
        open.answered();
        Poll::Ready(Ok(answer.map(|body| OpenBody { body, open })))
    }
}

impl<B: Body> Body for OpenBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const ANSWERS: usize = 16;

    #[derive(Default)]
    struct Connection {
        task: AtomicWaker,
        ready: AtomicUsize,
        polls: AtomicUsize,
    }

    impl Connection {
        fn poll(&self, context: &Context<'_>) -> Poll<()> {
            self.task.register(context.waker());
            self.polls.fetch_add(1, Ordering::Relaxed);
            match self.ready.load(Ordering::Relaxed) == ANSWERS {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_ready_is_met_in_one_poll() {
        let polls = tokio::spawn(async {
            let connection = Arc::new(Connection::default());
            let polled = connection.clone();
            let defer = Arc::new(DeferState::default());
            let last = DeferredConnection::new(
                poll_fn(move |context| polled.poll(context)),
                defer.clone(),
            );
            let last = tokio::spawn(last);
            while connection.polls.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            let calls: Vec<_> = (0..ANSWERS).map(|_| defer.begin()).collect();
            for call in calls {
                let connection = connection.clone();
                tokio::spawn(async move {
                    connection.ready.fetch_add(1, Ordering::Relaxed);
                    drop(call);
                    connection.task.wake();
                });
            }
            last.await.unwrap();
            connection.polls.load(Ordering::Relaxed)
        });
        assert_eq!(polls.await.unwrap(), 2, "once before the answers, once for all of them");
    }

    #[tokio::test]
    async fn a_call_that_is_alone_does_not_wait() {
        let defer = Arc::new(DeferState::default());
        let alone = defer.begin();
        let mut last = DeferredConnection::new(std::future::ready(()), defer.clone());
        let context = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut last).poll(context).is_ready());

        let mut last = DeferredConnection::new(std::future::ready(()), defer.clone());
        let company = defer.begin();
        assert!(Pin::new(&mut last).poll(context).is_pending(), "others may be ready as well");
        tokio::task::yield_now().await;
        assert!(Pin::new(&mut last).poll(context).is_ready());
        drop((alone, company));
    }
}
