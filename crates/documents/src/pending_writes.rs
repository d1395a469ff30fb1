//! Pending writes: what each aggregate will be once everything that has been sent to the log is
//! durable.
//!
//! The next write of an aggregate is decided on that state instead of waiting for the disk, so many
//! writes of one hot aggregate share a commit. Nothing of it is shown to readers before it is durable.
//! If a write fails, the pending writes behind it are invalid: the log refuses what was built on it, and
//! those writes are decided anew.

use std::collections::HashMap;
use std::sync::Arc;

use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{EventId, Expected, StreamName, Version};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

/// Locks over the streams with pending writes; streams are hashed to them.
const SHARDS: usize = 64;

type Shard = HashMap<StreamName, PendingStream>;

/// The pending writes of all aggregates.
pub(crate) struct PendingWrites {
    shards: Box<[Mutex<Shard>]>,
}

/// The pending writes of one aggregate.
struct PendingStream {
    /// Tells it from later pending writes of the same aggregate.
    id: u64,
    /// The aggregate after the last write in flight.
    head: Arc<Aggregate>,
    /// The event that led to the head, if it is one of those in flight.
    event: Option<EventId>,
    /// The version that creates the aggregate, as long as it is not durable. The time of creation is the
    /// log's to give, so until then nothing can be built on it.
    pending_create: Option<Version>,
    /// The version that the first of them leads to.
    first: Version,
    in_flight: usize,
    /// The newest version that has been shown.
    shown: Version,
    /// Made when somebody waits: the last durable version. Dropped when the writes are invalidated.
    durable: Option<watch::Sender<Version>>,
}

/// The locked streams of one write.
pub(crate) struct Locked<'a> {
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

/// The aggregate after the last write in flight.
pub(crate) struct Head<'a> {
    pub(crate) aggregate: &'a Arc<Aggregate>,
    /// What must be true of the stream for it to have come about.
    pub(crate) expected: Expected,
    /// Whether the write that creates it is not durable yet.
    pub(crate) is_pending_create: bool,
}

/// Names one pending write.
#[derive(Debug, Clone)]
pub(crate) struct PendingWriteId {
    pub(crate) stream: StreamName,
    generation: u64,
}

/// Waits for a state that is not durable yet.
pub(crate) struct Durable {
    versions: watch::Receiver<Version>,
    version: Version,
}

impl PendingWrites {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Locks these streams, in an order that cannot deadlock.
    pub(crate) fn lock<'a, 's>(
        &'a self,
        streams: impl Iterator<Item = &'s StreamName>,
    ) -> Locked<'a> {
        let mut shards: Vec<usize> = streams.map(shard).collect();
        shards.sort_unstable();
        shards.dedup();
        Locked { guards: shards.into_iter().map(|n| (n, self.shards[n].lock())).collect() }
    }

    /// A write is durable, and shown unless a later one has been: writes of one batch settle in any
    /// order, and a cache that has evicted the later one by then would take the earlier for the newest.
    /// Its state may be forgotten here when it was the last one.
    pub(crate) fn settle(&self, write: &PendingWriteId, version: Version, show: impl FnOnce()) {
        let mut shard = self.shards[shard(&write.stream)].lock();
        let entry = shard.get_mut(&write.stream).filter(|entry| entry.id == write.generation);
        let Some(entry) = entry else { return show() };
        if version > entry.shown {
            entry.shown = version;
            show();
        }
        entry.in_flight -= 1;
        entry.pending_create.take_if(|pending_create| version >= *pending_create);
        if let Some(durable) = &entry.durable {
            durable.send_if_modified(|durable| {
                let newer = version > *durable;
                *durable = version.max(*durable);
                newer
            });
        }
        if entry.in_flight == 0 {
            shard.remove(&write.stream);
        }
    }

    /// A write failed: what was decided on it cannot stand.
    pub(crate) fn invalidate(&self, write: &PendingWriteId) {
        let mut shard = self.shards[shard(&write.stream)].lock();
        if shard.get(&write.stream).is_some_and(|entry| entry.id == write.generation) {
            shard.remove(&write.stream);
        }
    }

    /// To wait until a version that was found in the store is shown; `None` if it has been. It may be
    /// committed while its writer has not been told yet.
    pub(crate) fn unshown(&self, stream: &StreamName, version: Version) -> Option<Durable> {
        let mut shard = self.shards[shard(stream)].lock();
        let entry = shard.get_mut(stream).filter(|entry| {
            (entry.first..=entry.head.version).contains(&version) && version > entry.shown
        })?;
        Some(Durable { version, ..entry.durable() })
    }
}

impl PendingStream {
    /// To wait until the present head is durable.
    fn durable(&mut self) -> Durable {
        let versions = self.durable.get_or_insert_with(|| watch::Sender::new(0)).subscribe();
        Durable { versions, version: self.head.version }
    }
}

impl Locked<'_> {
    /// The aggregate after the last write in flight, if there is one.
    pub(crate) fn head(&self, stream: &StreamName) -> Option<Head<'_>> {
        let entry = self.shard(stream)?.get(stream)?;
        let version = entry.head.version;
        let expected = match entry.event {
            Some(event) => Expected::Following { version, event },
            None => Expected::Exact(version),
        };
        Some(Head {
            aggregate: &entry.head,
            expected,
            is_pending_create: entry.pending_create.is_some(),
        })
    }

    /// Adds a write in flight, and its last event, if it writes any. `is_create`: it creates the aggregate.
    pub(crate) fn extend(
        &mut self,
        stream: &StreamName,
        head: Arc<Aggregate>,
        event: Option<EventId>,
        is_create: bool,
        next_id: u64,
    ) -> PendingWriteId {
        let Some(shard) = self.shard_mut(stream) else {
            return PendingWriteId { stream: stream.clone(), generation: 0 };
        };
        let entry = shard.entry(stream.clone()).or_insert_with(|| PendingStream {
            id: next_id,
            head: head.clone(),
            event: None,
            pending_create: None,
            first: head.version,
            in_flight: 0,
            shown: 0,
            durable: None,
        });
        if is_create {
            entry.pending_create = Some(head.version);
        }
        entry.head = head;
        entry.event = event.or(entry.event);
        entry.in_flight += 1;
        PendingWriteId { stream: stream.clone(), generation: entry.id }
    }

    /// To wait until the present heads are durable, where something is in flight.
    pub(crate) fn durables<'s>(
        &mut self,
        streams: impl Iterator<Item = &'s StreamName>,
    ) -> Vec<Durable> {
        streams.filter_map(|stream| self.durable(stream)).collect()
    }

    /// To wait until the present head is durable; `None` if nothing is in flight.
    fn durable(&mut self, stream: &StreamName) -> Option<Durable> {
        Some(self.shard_mut(stream)?.get_mut(stream)?.durable())
    }

    fn shard(&self, stream: &StreamName) -> Option<&Shard> {
        let n = shard(stream);
        self.guards.iter().find(|(at, _)| *at == n).map(|(_, guard)| &**guard)
    }

    fn shard_mut(&mut self, stream: &StreamName) -> Option<&mut Shard> {
        let n = shard(stream);
        self.guards.iter_mut().find(|(at, _)| *at == n).map(|(_, guard)| &mut **guard)
    }
}

impl Durable {
    /// Whether the state became durable; `false` if the writes were invalidated.
    pub(crate) async fn wait(mut self) -> bool {
        self.versions.wait_for(|durable| *durable >= self.version).await.is_ok()
    }
}

fn shard(stream: &StreamName) -> usize {
    usize::from(stream.slice()) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamName {
        StreamName::new("guild", "g")
    }

    /// Adds a write that leads to a version; the first creates the aggregate.
    fn extend(pending: &PendingWrites, version: Version) -> PendingWriteId {
        let head = Arc::new(Aggregate { version, ..Aggregate::default() });
        pending.lock([stream()].iter()).extend(
            &stream(),
            head,
            Some(EventId::from_u128(version.into())),
            version == 1,
            version,
        )
    }

    fn is_pending_create(pending: &PendingWrites) -> Option<bool> {
        pending.lock([stream()].iter()).head(&stream()).map(|head| head.is_pending_create)
    }

    #[test]
    fn what_settles_late_does_not_hide_what_was_shown() {
        let pending = PendingWrites::new();
        let links = [1, 2, 3].map(|version| (version, extend(&pending, version)));
        let mut shown = Vec::new();
        for at in [1, 0, 2] {
            let (version, link) = &links[at];
            pending.settle(link, *version, || shown.push(*version));
        }
        assert_eq!(shown, [2, 3]);
        assert!(pending.lock([stream()].iter()).head(&stream()).is_none());
    }

    #[test]
    fn a_create_is_pending_until_it_is_durable() {
        let pending = PendingWrites::new();
        assert_eq!(is_pending_create(&pending), None);
        let created = extend(&pending, 1);
        assert_eq!(is_pending_create(&pending), Some(true));
        pending.invalidate(&created);
        assert_eq!(is_pending_create(&pending), None);

        let created = extend(&pending, 1);
        // A write that changes nothing keeps the others pending.
        let condition = extend(&pending, 1);
        pending.settle(&created, 1, || {});
        assert_eq!(is_pending_create(&pending), Some(false));
        pending.settle(&condition, 1, || {});
        extend(&pending, 2);
        assert_eq!(is_pending_create(&pending), Some(false));
    }

    #[tokio::test]
    async fn a_head_is_durable_when_it_settles_and_not_when_it_is_invalidated() {
        let pending = PendingWrites::new();
        let links = [1, 2].map(|version| (version, extend(&pending, version)));
        let durable = pending.lock([stream()].iter()).durable(&stream()).unwrap();
        // The later first: what comes after it changes nothing.
        for (version, link) in links.iter().rev() {
            pending.settle(link, *version, || {});
        }
        assert!(durable.wait().await);

        let link = extend(&pending, 3);
        let durable = pending.lock([stream()].iter()).durable(&stream()).unwrap();
        pending.invalidate(&link);
        assert!(!durable.wait().await);
    }
}
