//! Several writes, each by itself: they are loaded, decided and sent together and share what that
//! costs, in rounds until each has its outcome.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gamemesh_domain::document::Aggregate;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{AppendError, StreamName, Version};

use super::in_flight::InFlight;
use super::{Write, Written};
use crate::Documents;
use crate::pending_writes::Durable;

/// When a writer who lost all of his races should come back.
const CONTENDED_RETRY: Duration = Duration::from_millis(100);

/// Writes that are decided under one lock of their streams, and so keep other writers from them.
const GROUP_MAX: usize = 32;

pub(super) struct Each {
    writes: Vec<Write>,
    /// One for each write; `None` until it is known.
    outcomes: Vec<Option<Result<Written>>>,
    /// Whether what must not exist, and is not cached, is taken to be absent. The log compares, so a
    /// write that creates something need not read that it is not there; if it is, all is read.
    assumes_absent: bool,
}

/// A write with the states of its aggregates, as they were found.
pub(super) struct Loaded<'a> {
    /// Its index among the writes.
    pub(super) at: usize,
    pub(super) write: &'a Write,
    pub(super) states: Vec<Arc<Aggregate>>,
    /// Whether one of them was not found but taken to be absent: then a refusal says nothing.
    pub(super) assumed: bool,
}

/// What a group of writes came to so far.
#[derive(Default)]
pub(super) struct Sent {
    /// Indices of the writes that are in flight.
    pub(super) at: Vec<usize>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) refused: Vec<Refused>,
    /// What writes that could not be decided yet wait for.
    pub(super) awaited: Vec<Durable>,
}

/// The rules refused. The state that they examined may not be durable yet, nor the newest.
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) refusal: Error,
    pub(super) undecided: Vec<Durable>,
    pub(super) decided_on: Vec<Version>,
}

impl Each {
    pub(super) fn new(writes: Vec<Write>) -> Self {
        let outcomes = writes.iter().map(|_| None).collect();
        Self { writes, outcomes, assumes_absent: true }
    }

    /// Tries the writes that have no outcome yet. Says whether each has one now: those that others
    /// were faster than have none.
    pub(super) async fn attempt(&mut self, documents: &Arc<Documents>) -> bool {
        let Self { writes, outcomes, assumes_absent } = self;
        let loaded = load(documents, writes, outcomes, std::mem::take(assumes_absent)).await;
        let mut held = HashSet::new();
        let mut sent = Vec::new();
        for group in groups(loaded) {
            sent.push(documents.decide_and_send(group, &mut held));
        }
        let (mut refused, mut awaited) = (Vec::new(), Vec::new());
        for group in sent {
            refused.extend(group.refused);
            awaited.extend(group.awaited);
            let Some(in_flight) = group.in_flight else { continue };
            for (at, landed) in group.at.into_iter().zip(in_flight.land().await) {
                outcomes[at] = match landed {
                    Ok((appended, Some(parts))) => {
                        Some(Ok(Written { parts, time_us: appended.time_us, repeated: false }))
                    }
                    Ok((appended, None)) => Some(documents.repeated(appended).await),
                    // Somebody else was faster, or a pending write under this one failed.
                    Err(AppendError::Conflict { .. }) => None,
                    Err(error) => Some(Err(error.into())),
                };
            }
        }
        // Only now, since what these wait for may be in flight here.
        for durable in awaited {
            durable.wait().await;
        }
        for Refused { at, refusal, undecided, decided_on } in refused {
            outcomes[at] = documents.confirm(&writes[at], refusal, undecided, &decided_on).await;
        }
        outcomes.iter().all(Option::is_some)
    }

    pub(super) fn outcomes(self) -> Vec<Result<Written>> {
        let contended = || {
            Error::new(Code::Overloaded, "too many writers of the same aggregate; try again")
                .with_retry_after(CONTENDED_RETRY)
        };
        let known = self.outcomes.into_iter();
        known.map(|outcome| outcome.unwrap_or_else(|| Err(contended()))).collect()
    }
}

impl Documents {
    /// The outcome of a refused write; `None` if what it was decided on does not stand.
    async fn confirm(
        &self,
        write: &Write,
        refusal: Error,
        undecided: Vec<Durable>,
        decided_on: &[Version],
    ) -> Option<Result<Written>> {
        let mut stands = true;
        for durable in undecided {
            stands &= durable.wait().await;
        }
        match self.is_behind(write, decided_on).await {
            Ok(is_behind) if is_behind || !stands => None,
            Ok(_) => Some(self.retried(write, refusal).await),
            Err(error) => Some(Err(error)),
        }
    }

    async fn load_all(&self, write: &Write) -> Result<Vec<Arc<Aggregate>>> {
        let mut states = Vec::with_capacity(write.parts.len());
        for part in &write.parts {
            states.push(self.newest(&part.stream).await?);
        }
        Ok(states)
    }
}

/// Loads the aggregates of the writes that have no outcome yet: first what is cached, then the rest at
/// once.
async fn load<'a>(
    documents: &Documents,
    writes: &'a [Write],
    outcomes: &mut [Option<Result<Written>>],
    assumes_absent: bool,
) -> Vec<Loaded<'a>> {
    let mut loaded = Vec::with_capacity(writes.len());
    let mut absent = Vec::new();
    for (at, write) in writes.iter().enumerate().filter(|(at, _)| outcomes[*at].is_none()) {
        match cached(documents, at, write, assumes_absent) {
            Some(cached) => loaded.push(cached),
            None => absent.push(async move { (at, write, documents.load_all(write).await) }),
        }
    }
    if absent.is_empty() {
        return loaded;
    }
    for (at, write, states) in join_all(absent).await {
        match states {
            Ok(states) => loaded.push(Loaded { at, write, states, assumed: false }),
            Err(error) => outcomes[at] = Some(Err(error)),
        }
    }
    loaded.sort_unstable_by_key(|loaded| loaded.at);
    loaded
}

/// A write whose aggregates need not be read.
fn cached<'a>(
    documents: &Documents,
    at: usize,
    write: &'a Write,
    assumes_absent: bool,
) -> Option<Loaded<'a>> {
    let mut states = Vec::with_capacity(write.parts.len());
    let mut assumed = false;
    for part in &write.parts {
        match documents.cache.peek(&part.stream) {
            Some(entry) => states.push(entry.value),
            None if assumes_absent && part.needs_absence() => {
                states.push(Arc::default());
                assumed = true;
            }
            None => return None,
        }
    }
    Some(Loaded { at, write, states, assumed })
}

/// Groups in the order of the writes, each aggregate at most once in a group.
fn groups(loaded: Vec<Loaded<'_>>) -> Vec<Vec<Loaded<'_>>> {
    let mut groups = Vec::with_capacity(loaded.len().div_ceil(GROUP_MAX));
    let mut group: Vec<Loaded<'_>> = Vec::new();
    let mut named: HashSet<&StreamName> = HashSet::new();
    for loaded in loaded {
        let streams = || loaded.write.parts.iter().map(|part| &part.stream);
        if group.len() == GROUP_MAX || streams().any(|stream| named.contains(stream)) {
            groups.push(std::mem::take(&mut group));
            named.clear();
        }
        named.extend(streams());
        group.push(loaded);
    }
    groups.push(group);
    groups
}
