//! Loads from the store: those that come together go together.
//!
//! A load that comes while others are on their way waits until one of them is back, and then goes with
//! all that wait, in one group. The round trip is the timer: nobody waits for a clock, and a load that
//! is alone waits for nobody.
//!
//! A load never gets what was read before it came: the cache gives each load the versions that are
//! known before it, and takes its answer for at least as new. So a load joins only a group that has
//! not been sent.

use std::collections::VecDeque;
use std::sync::Arc;

use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{LogError, Position, StreamName};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::history::{Folding, History};

/// Loads or groups of loads on their way to the store before a load waits for company.
const ON_THE_WAY_MAX: usize = 4;

/// Streams that go together: others should not wait for long behind many.
const TOGETHER_MAX: usize = 128;

/// Loads at the same time, as many as can be on their way. The next waits here, within its call's
/// deadline: one call may name a thousand cold aggregates.
const LOADS_MAX: usize = ON_THE_WAY_MAX * TOGETHER_MAX;

/// Streams at the same time that were too long for their group, and of which each is read on by
/// itself. The next waits: the store's own queue is shorter than that of the loads, and refuses.
const LONG_MAX: usize = 16;

/// Loads that have come together, and those on their way.
pub(crate) struct Loads {
    history: History,
    runtime: Handle,
    places: Semaphore,
    long_places: Semaphore,
    gathering: Mutex<Gathering>,
}

#[derive(Default)]
struct Gathering {
    on_the_way: usize,
    /// At most [`LOADS_MAX`]: each has a place.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    stream: StreamName,
    reply: oneshot::Sender<Result<Folding, LogError>>,
}

/// One of those on their way. When it is back, those who wait go.
struct Way(Arc<Loads>);

impl Loads {
    /// Must be called on the runtime that the store is used on.
    pub(crate) fn new(history: History) -> Arc<Self> {
        Arc::new(Self {
            history,
            runtime: Handle::current(),
            places: Semaphore::new(LOADS_MAX),
            long_places: Semaphore::new(LONG_MAX),
            gathering: Mutex::default(),
        })
    }

    /// The aggregate as the log has it at some time after this call; at version 0 if it never
    /// existed. Also the position of its last event; 0 if there is none.
    pub(crate) async fn newest_at(
        self: &Arc<Self>,
        stream: &StreamName,
    ) -> Result<(Arc<Aggregate>, Position), LogError> {
        let _place = self.places.acquire().await;
        let begun = self.begin(stream).await?;
        let _long = match begun.is_done() {
            true => None,
            false => Some(self.long_places.acquire().await),
        };
        self.history.finish(stream, begun).await
    }

    async fn begin(self: &Arc<Self>, stream: &StreamName) -> Result<Folding, LogError> {
        let begun = {
            let mut gathering = self.gathering.lock();
            if gathering.on_the_way < ON_THE_WAY_MAX {
                gathering.on_the_way += 1;
                None
            } else {
                let (reply, begun) = oneshot::channel();
                gathering.waiting.push_back(Waiting { stream: stream.clone(), reply });
                Some(begun)
            }
        };
        let Some(begun) = begun else {
            let _way = Way(self.clone());
            return self.history.begin(stream).await;
        };
        let ended = |_| Err(LogError::Unavailable("the load was given up".to_owned()));
        begun.await.unwrap_or_else(ended)
    }

    async fn together(&self, waiting: Vec<Waiting>) {
        let streams: Vec<_> = waiting.iter().map(|waiting| waiting.stream.clone()).collect();
        let begun = self.history.begin_each(&streams).await;
        for (Waiting { reply, .. }, begun) in waiting.into_iter().zip(begun) {
            // Whoever asked may have gone away.
            let _ = reply.send(begun);
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let Self(loads) = self;
        let waiting: Vec<Waiting> = {
            let mut gathering = loads.gathering.lock();
            gathering.waiting.retain(|waiting| !waiting.reply.is_closed());
            if gathering.waiting.is_empty() {
                gathering.on_the_way -= 1;
                return;
            }
            let together = gathering.waiting.len().min(TOGETHER_MAX);
            gathering.waiting.drain(..together).collect()
        };
        let way = Self(loads.clone());
        // In a task of its own: none of those who wait may take the others with him when he goes away.
        loads.runtime.spawn(async move { way.0.together(waiting).await });
    }
}

#[cfg(test)]
mod tests;
