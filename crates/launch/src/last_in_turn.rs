//! A future that is polled only when the tasks that are ready have run.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// A connection is woken by each call that it can answer, and the scheduler likes to run at once what
/// has just been woken: one write to the socket for each answer. As the last in turn it meets the
/// answers of all calls that were ready, and they leave together.
///
/// It rests on how the scheduler treats a task that yields. Another treatment would cost writes, not
/// answers.
pub(crate) struct LastInTurn<F> {
    future: F,
    turn: Arc<Turn>,
}

#[derive(Default)]
struct Turn {
    /// Here and not beside the future: a connection's task is large enough.
    state: AtomicU8,
    task: AtomicWaker,
}

/// Nothing has happened since the future was polled.
const RESTS: u8 = 0;
/// The task was woken and has yielded.
const WAITS: u8 = 1;
/// The others have run.
const HAS_COME: u8 = 2;

impl Turn {
    fn moves(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<F> LastInTurn<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, turn: Arc::default() }
    }
}

impl<F: Future + Unpin> Future for LastInTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.turn.task.register(context.waker());
        if self.turn.moves(RESTS, WAITS) {
            let turn = Waker::from(self.turn.clone());
            // Its turn is awaited, not this future, which anything that wakes the task would end.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&turn));
        }
        if !self.turn.moves(HAS_COME, RESTS) {
            return Poll::Pending;
        }
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

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
            match self.ready.load(Ordering::Relaxed) {
                ANSWERS => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_ready_is_met_in_one_poll() {
        let polls = tokio::spawn(async {
            let connection = Arc::new(Connection::default());
            let polled = connection.clone();
            let last = LastInTurn::new(poll_fn(move |context| polled.poll(context)));
            let last = tokio::spawn(last);
            while connection.polls.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..ANSWERS {
                let connection = connection.clone();
                tokio::spawn(async move {
                    connection.ready.fetch_add(1, Ordering::Relaxed);
                    connection.task.wake();
                });
            }
            last.await.unwrap();
            connection.polls.load(Ordering::Relaxed)
        });
        assert_eq!(polls.await.unwrap(), 2, "once before the answers, once for all of them");
    }
}
