//! Loads from the store, in batches.
//!
//! A load never gets what was read before it was asked for: the cache gives each load the versions that are
//! known before it, and takes its answer for at least as new. [`Batcher`] promises that.

use std::sync::Arc;

use gamemesh_cache::{BatchFn, BatchLimits, BatchSlot, Batcher};
use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{LogError, Position, StreamName};
use tokio::sync::Semaphore;

use crate::history::{Folding, History};

/// Loads or batches of loads in flight before a load waits for the next batch.
const IN_FLIGHT_MAX: usize = 4;

/// Streams of one batch: others should not wait for long behind many.
const BATCH_STREAMS_MAX: usize = 128;

/// Loads at the same time, as many as can be in flight. The next waits here, within its call's
/// deadline: one call may name a thousand cold aggregates.
const LOADS_MAX: usize = IN_FLIGHT_MAX * BATCH_STREAMS_MAX;

/// Streams at the same time that were too long for their batch, and of which each is read on by
/// itself. The next waits: the store's own queue is shorter than that of the loads, and refuses.
const LONG_MAX: usize = 16;

const LIMITS: BatchLimits = BatchLimits {
    in_flight_max: IN_FLIGHT_MAX,
    batch_max: BATCH_STREAMS_MAX,
    waiting_max: LOADS_MAX,
};

/// Loads in flight, and those that wait for the next batch.
pub(crate) struct BatchLoader {
    history: History,
    permits: Semaphore,
    long_permits: Semaphore,
    batcher: Arc<Batcher<Begun>>,
}

/// Loads that are begun in as many reads as one of them takes.
struct Begun(History);

impl BatchLoader {
    /// Must be called on the runtime that the store is used on.
    pub(crate) fn new(history: History) -> Self {
        Self {
            batcher: Batcher::new(Begun(history.clone()), LIMITS),
            history,
            permits: Semaphore::new(LOADS_MAX),
            long_permits: Semaphore::new(LONG_MAX),
        }
    }

    /// The aggregate as the log has it at some time after this call; at version 0 if it never
    /// existed. Also the position of its last event; 0 if there is none.
    pub(crate) async fn newest_at(
        &self,
        stream: &StreamName,
    ) -> Result<(Arc<Aggregate>, Position), LogError> {
        let _permit = self.permits.acquire().await;
        let begun = self.begin(stream).await?;
        let _long = match begun.is_done() {
            true => None,
            false => Some(self.long_permits.acquire().await),
        };
        self.history.finish(stream, begun).await
    }

    async fn begin(&self, stream: &StreamName) -> Result<Folding, LogError> {
        let given_up = || Err(LogError::Unavailable("the load was given up".to_owned()));
        match self.batcher.join(|| stream.clone()) {
            BatchSlot::Single(_in_flight) => self.history.begin(stream).await,
            BatchSlot::Batched(begun) => begun.await.unwrap_or_else(|_| given_up()),
            // There are no more permits than loads may wait.
            BatchSlot::Full => given_up(),
        }
    }
}

impl BatchFn for Begun {
    type Request = StreamName;
    type Response = Result<Folding, LogError>;

    async fn call(&self, streams: Vec<StreamName>) -> Vec<Self::Response> {
        self.0.begin_each(&streams).await
    }
}

#[cfg(test)]
mod tests;
