//! A future that is polled only when the tasks that are ready have run.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures::task::AtomicWaker;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;

/// A connection is woken by each call that it can answer, and the scheduler likes to run at once what
/// has just been woken: one write to the socket for each answer. As the last in turn it meets the
/// answers of all calls that were ready, and they leave together.
///
/// The same holds for a client's connection and the calls that begin on it.
///
/// It rests on how the scheduler treats a task that yields. Another treatment would cost writes, not
/// answers.
pub struct LastInTurn<F> {
    future: F,
    turn: Arc<Turn>,
}

/// Shared by a connection and its calls.
#[derive(Default)]
pub struct Turn {
    /// Here and not beside the future: a connection's task is large enough.
    state: AtomicU8,
    /// Calls that have no answer yet.
    calls: AtomicUsize,
    task: AtomicWaker,
}

/// Who has fewer calls under way has no answers to gather, and does not wait.
const CALLS_MIN: usize = 2;

/// Nothing has happened since the future was polled.
const RESTS: u8 = 0;
/// The task was woken and has yielded.
const WAITS: u8 = 1;
/// The others have run.
const HAS_COME: u8 = 2;

impl Turn {
    /// A call begins; it has its answer when this is dropped.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.calls.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    fn moves(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<F> LastInTurn<F> {
    pub const fn new(future: F, turn: Arc<Turn>) -> Self {
        Self { future, turn }
    }
}

impl<F: Future + Unpin> Future for LastInTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.turn.task.register(context.waker());
        if self.turn.calls.load(Ordering::Relaxed) >= CALLS_MIN && self.turn.moves(RESTS, WAITS) {
            let turn = Waker::from(self.turn.clone());
            // Its turn is awaited, not this future, which anything that wakes the task would end.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&turn));
        }
        if self.turn.state.load(Ordering::Acquire) == WAITS {
            return Poll::Pending;
        }
        self.turn.state.store(RESTS, Ordering::Release);
        Pin::new(&mut self.future).poll(context)
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        if self.moves(WAITS, HAS_COME) {
            self.task.wake();
        }
    }
}

/// A service that tells the turn of its connection how many calls it has.
pub(crate) struct Counted<S> {
    service: S,
    turn: Arc<Turn>,
}

pin_project! {
    pub(crate) struct Call<F> {
        #[pin]
        future: F,
        under_way: Option<UnderWay>,
    }
}

/// A call that has no answer yet.
pub struct UnderWay(Arc<Turn>);

impl<S> Counted<S> {
    pub(crate) const fn new(service: S, turn: Arc<Turn>) -> Self {
        Self { service, turn }
    }
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = Some(self.turn.begin());
        Call { future: self.service.call(request), under_way }
    }
}

impl<F: Future> Future for Call<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let call = self.project();
        let answer = ready!(call.future.poll(context));
        // Its body may last.
        *call.under_way = None;
        Poll::Ready(answer)
    }
}

impl Drop for UnderWay {
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
            let turn = Arc::new(Turn::default());
            let last = LastInTurn::new(poll_fn(move |context| polled.poll(context)), turn.clone());
            let last = tokio::spawn(last);
            while connection.polls.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            let calls: Vec<_> = (0..ANSWERS).map(|_| turn.begin()).collect();
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
        let turn = Arc::new(Turn::default());
        let alone = turn.begin();
        let mut last = LastInTurn::new(std::future::ready(()), turn.clone());
        let context = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut last).poll(context).is_ready());

        let mut last = LastInTurn::new(std::future::ready(()), turn.clone());
        let company = turn.begin();
        assert!(Pin::new(&mut last).poll(context).is_pending(), "others may be ready as well");
        tokio::task::yield_now().await;
        assert!(Pin::new(&mut last).poll(context).is_ready());
        drop((alone, company));
    }
}
