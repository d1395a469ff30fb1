//! Requests that arrive together are sent together.
//!
//! F request that arrives while others are in flight waits until one of them returns, and is then sent
//! with all that wait, as one batch. The round trip is the timer: nothing waits for a clock, and a request
//! that is alone waits for nothing.
//!
//! F request joins only a batch that has not been sent, so no answer was read before its request arrived.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What executes a batch.
pub trait BatchFn: Send + Sync + 'static {
    type Request: Send + 'static;
    type Response: Send + 'static;

    /// F response to each request, in their order.
    fn call(
        &self,
        requests: Vec<Self::Request>,
    ) -> impl Future<Output = Vec<Self::Response>> + Send;
}

/// Bounds of a [`Batcher`].
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Requests or batches in flight before a request waits.
    pub in_flight_max: usize,
    /// Requests in a batch: others should not wait for long behind many.
    pub batch_max: usize,
    /// Requests that wait.
    pub waiting_max: usize,
}

/// Requests in flight, and those that wait for the next batch.
pub struct Batcher<F: BatchFn> {
    batch_fn: F,
    limits: BatchLimits,
    runtime: Handle,
    state: Mutex<State<F>>,
}

struct State<F: BatchFn> {
    in_flight: usize,
    waiting: VecDeque<Waiting<F>>,
    refused_total: u64,
}

struct Waiting<F: BatchFn> {
    request: F::Request,
    reply: oneshot::Sender<F::Response>,
}

/// What becomes of a request.
pub enum BatchSlot<F: BatchFn> {
    /// The caller executes it alone, and holds this until it is done or gives up.
    Single(InFlight<F>),
    /// The response of its batch, or an error if the batch was abandoned.
    Batched(oneshot::Receiver<F::Response>),
    /// As many wait as may.
    Full,
}

/// One request or batch in flight. When this is dropped, those that wait are sent.
pub struct InFlight<F: BatchFn>(Arc<Batcher<F>>);

impl<F: BatchFn> State<F> {
    fn drop_abandoned(&mut self) {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
    }
}

impl<F: BatchFn> Batcher<F> {
    /// Must be called on the runtime that executes batches.
    pub fn new(batch_fn: F, limits: BatchLimits) -> Arc<Self> {
        let state = Mutex::new(State { in_flight: 0, waiting: VecDeque::new(), refused_total: 0 });
        Arc::new(Self { batch_fn, limits, runtime: Handle::current(), state })
    }

    /// Takes a request in, which is made only if it waits.
    pub fn join(self: &Arc<Self>, request: impl FnOnce() -> F::Request) -> BatchSlot<F> {
        let mut state = self.state.lock();
        if state.in_flight < self.limits.in_flight_max {
            state.in_flight += 1;
            return BatchSlot::Single(InFlight(self.clone()));
        }
        if state.waiting.len() >= self.limits.waiting_max {
            state.drop_abandoned();
        }
        if state.waiting.len() < self.limits.waiting_max {
            let (reply, response) = oneshot::channel();
            state.waiting.push_back(Waiting { request: request(), reply });
            BatchSlot::Batched(response)
        } else {
            state.refused_total += 1;
            BatchSlot::Full
        }
    }

    /// Requests and batches in flight.
    pub fn in_flight(&self) -> usize {
        self.state.lock().in_flight
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub fn refused_total(&self) -> u64 {
        self.state.lock().refused_total
    }

    async fn execute(&self, waiting: Vec<Waiting<F>>) {
        let (requests, replies): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|Waiting { request, reply }| (request, reply)).unzip();
        for (reply, response) in replies.into_iter().zip(self.batch_fn.call(requests).await) {
            // The caller may have given up.
            let _ = reply.send(response);
        }
    }
}

impl<F: BatchFn> Drop for InFlight<F> {
    fn drop(&mut self) {
        let Self(batcher) = self;
        let waiting: Vec<_> = {
            let mut state = batcher.state.lock();
            // First of all: behind those that were abandoned, others may wait.
            state.drop_abandoned();
            if state.waiting.is_empty() {
                state.in_flight -= 1;
                return;
            }
            let batch = state.waiting.len().min(batcher.limits.batch_max);
            state.waiting.drain(..batch).collect()
        };
        let batch = Self(batcher.clone());
        // In a task of its own: a caller that gives up must not take the others of its batch with it.
        batcher.runtime.spawn(async move { batch.0.execute(waiting).await });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits { in_flight_max: 2, batch_max: 4, waiting_max: 6 };

    /// Doubles its requests, when it is let, and remembers the batches.
    struct Doubling {
        let_go: Semaphore,
        batches: Mutex<Vec<Vec<u32>>>,
    }

    impl BatchFn for Arc<Doubling> {
        type Request = u32;
        type Response = u32;

        async fn call(&self, requests: Vec<u32>) -> Vec<u32> {
            self.batches.lock().push(requests.clone());
            self.let_go.acquire().await.unwrap().forget();
            requests.into_iter().map(|request| 2 * request).collect()
        }
    }

    fn batcher() -> (Arc<Doubling>, Arc<Batcher<Arc<Doubling>>>) {
        let doubling = Arc::new(Doubling { let_go: Semaphore::new(0), batches: Mutex::default() });
        (doubling.clone(), Batcher::new(doubling, LIMITS))
    }

    fn single<F: BatchFn<Request = u32>>(batcher: &Arc<Batcher<F>>) -> InFlight<F> {
        match batcher.join(|| 0) {
            BatchSlot::Single(way) => way,
            _ => panic!("others are in flight"),
        }
    }

    fn batched(batcher: &Arc<Batcher<Arc<Doubling>>>, request: u32) -> JoinHandle<Option<u32>> {
        match batcher.join(|| request) {
            BatchSlot::Batched(answer) => tokio::spawn(async move { answer.await.ok() }),
            _ => panic!("it does not wait"),
        }
    }

    async fn until(holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    }

    #[tokio::test]
    async fn requests_that_arrive_while_others_are_in_flight_are_sent_when_one_returns() {
        let (doubling, batcher) = batcher();
        let (first, second) = (single(&batcher), single(&batcher));
        let waiting: Vec<_> = (1..=6).map(|request| batched(&batcher, request)).collect();
        assert!(matches!(batcher.join(|| 7), BatchSlot::Full));
        assert_eq!((batcher.waiting(), batcher.refused_total()), (6, 1));
        drop(first);
        drop(second);
        until(|| doubling.batches.lock().len() == 2).await;
        assert_eq!(*doubling.batches.lock(), [vec![1, 2, 3, 4], vec![5, 6]]);
        assert_eq!((batcher.in_flight(), batcher.waiting()), (2, 0));
        doubling.let_go.add_permits(2);
        for (request, answer) in (1..).zip(waiting) {
            assert_eq!(answer.await.unwrap(), Some(2 * request));
        }
        until(|| batcher.in_flight() == 0).await;
    }

    #[tokio::test]
    async fn a_batch_that_has_been_sent_takes_no_more_requests() {
        let (doubling, batcher) = batcher();
        let in_flight = (single(&batcher), single(&batcher));
        let early = batched(&batcher, 1);
        drop(in_flight.0);
        until(|| doubling.batches.lock().len() == 1).await;
        let late = batched(&batcher, 2);
        doubling.let_go.add_permits(2);
        assert_eq!((early.await.unwrap(), late.await.unwrap()), (Some(2), Some(4)));
        assert_eq!(*doubling.batches.lock(), [[1], [2]]);
    }

    #[tokio::test]
    async fn abandoned_requests_are_not_sent_and_hold_up_nothing() {
        let (doubling, batcher) = batcher();
        let in_flight = (single(&batcher), single(&batcher));
        let gone: Vec<_> = (1..=5).map(|request| batched(&batcher, request)).collect();
        let last = batched(&batcher, 6);
        for gone in gone {
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        doubling.let_go.add_permits(1);
        drop(in_flight);
        assert_eq!(last.await.unwrap(), Some(12));
        assert_eq!(*doubling.batches.lock(), [[6]]);
        until(|| batcher.in_flight() == 0).await;
    }

    #[tokio::test]
    async fn abandoned_requests_take_no_room() {
        let (doubling, batcher) = batcher();
        let in_flight = (single(&batcher), single(&batcher));
        for gone in (1..=6).map(|request| batched(&batcher, request)).collect::<Vec<_>>() {
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        let stays = batched(&batcher, 7);
        doubling.let_go.add_permits(1);
        drop(in_flight);
        assert_eq!(stays.await.unwrap(), Some(14));
        assert_eq!(batcher.refused_total(), 0);
    }
}
