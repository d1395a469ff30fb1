//! Writes in flight: what each aggregate will be once everything that has been sent to the log is
//! durable.
//!
//! The next write of an aggregate is decided on that state instead of waiting for the disk, so many
//! writes of one hot aggregate share a commit. Nothing of it is shown to readers before it is durable.
//! If a write fails, the chain behind it breaks: the log refuses what was built on it, and those
//! writes are decided anew.

use std::collections::HashMap;
use std::sync::Arc;

use gamemesh_domain::state::Aggregate;
use gamemesh_repository::{EventId, Expected, StreamName, Version};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

/// Locks over the chains; streams are spread over them.
const SHARDS: usize = 64;

type Shard = HashMap<StreamName, Chain>;

/// The chains of all aggregates with writes in flight.
pub(crate) struct Chains {
    shards: Box<[Mutex<Shard>]>,
}

/// The chain of one aggregate.
struct Chain {
    /// Told apart from later chains of the same aggregate.
    id: u64,
    /// The aggregate after the last write in flight.
    head: Arc<Aggregate>,
    /// The event that led to the head, if it is one of those in flight.
    event: Option<EventId>,
    /// The version that creates the aggregate, as long as it is not durable. The time of creation is the
    /// log's to give, so until then nothing can be built on it.
    born: Option<Version>,
    in_flight: usize,
    /// The newest version that has been shown.
    shown: Version,
    /// Made when somebody waits: the last durable version. Dropped when the chain breaks.
    durable: Option<watch::Sender<Version>>,
}

/// The locked chains of the streams of one write.
pub(crate) struct Locked<'a> {
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

/// The aggregate after the last write in flight.
pub(crate) struct Head<'a> {
    pub(crate) aggregate: &'a Arc<Aggregate>,
    /// What must be true of the stream for it to have come about.
    pub(crate) expected: Expected,
    /// Whether the write that creates it is not durable yet.
    pub(crate) is_being_born: bool,
}

/// What a write in flight holds of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) stream: StreamName,
    chain: u64,
}

/// Waits for a state that is not durable yet.
pub(crate) struct Durable {
    versions: watch::Receiver<Version>,
    version: Version,
}

impl Chains {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Locks the chains of these streams, in an order that cannot deadlock.
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
    pub(crate) fn settle(&self, link: &Link, version: Version, show: impl FnOnce()) {
        let mut shard = self.shards[shard(&link.stream)].lock();
        let chain = shard.get_mut(&link.stream).filter(|chain| chain.id == link.chain);
        let Some(chain) = chain else { return show() };
        if version > chain.shown {
            chain.shown = version;
            show();
        }
        chain.in_flight -= 1;
        chain.born.take_if(|born| version >= *born);
        if let Some(durable) = &chain.durable {
            durable.send_if_modified(|durable| {
                let newer = version > *durable;
                *durable = version.max(*durable);
                newer
            });
        }
        if chain.in_flight == 0 {
            shard.remove(&link.stream);
        }
    }

    /// A write failed: what was decided on it cannot stand.
    pub(crate) fn break_off(&self, link: &Link) {
        let mut shard = self.shards[shard(&link.stream)].lock();
        if shard.get(&link.stream).is_some_and(|chain| chain.id == link.chain) {
            shard.remove(&link.stream);
        }
    }
}

impl Locked<'_> {
    /// The aggregate after the last write in flight, if there is one.
    pub(crate) fn head(&self, stream: &StreamName) -> Option<Head<'_>> {
        let chain = self.shard(stream)?.get(stream)?;
        let version = chain.head.version;
        let expected = match chain.event {
            Some(event) => Expected::Following { version, event },
            None => Expected::Exact(version),
        };
        Some(Head { aggregate: &chain.head, expected, is_being_born: chain.born.is_some() })
    }

    /// Adds a write in flight, and its last event, if it writes any. `is_birth`: it creates the aggregate.
    pub(crate) fn extend(
        &mut self,
        stream: &StreamName,
        head: Arc<Aggregate>,
        event: Option<EventId>,
        is_birth: bool,
        next_id: u64,
    ) -> Link {
        let Some(shard) = self.shard_mut(stream) else {
            return Link { stream: stream.clone(), chain: 0 };
        };
        let chain = shard.entry(stream.clone()).or_insert_with(|| Chain {
            id: next_id,
            head: head.clone(),
            event: None,
            born: None,
            in_flight: 0,
            shown: 0,
            durable: None,
        });
        if is_birth {
            chain.born = Some(head.version);
        }
        chain.head = head;
        chain.event = event.or(chain.event);
        chain.in_flight += 1;
        Link { stream: stream.clone(), chain: chain.id }
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
        let chain = self.shard_mut(stream)?.get_mut(stream)?;
        let versions = chain.durable.get_or_insert_with(|| watch::Sender::new(0)).subscribe();
        Some(Durable { versions, version: chain.head.version })
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
    /// Whether the state became durable; `false` if the chain broke.
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
    fn extend(chains: &Chains, version: Version) -> Link {
        let head = Arc::new(Aggregate { version, ..Aggregate::default() });
        chains.lock([stream()].iter()).extend(
            &stream(),
            head,
            Some(EventId::from_u128(version.into())),
            version == 1,
            version,
        )
    }

    fn is_being_born(chains: &Chains) -> Option<bool> {
        chains.lock([stream()].iter()).head(&stream()).map(|head| head.is_being_born)
    }

    #[test]
    fn what_settles_late_does_not_hide_what_was_shown() {
        let chains = Chains::new();
        let links = [1, 2, 3].map(|version| (version, extend(&chains, version)));
        let mut shown = Vec::new();
        for at in [1, 0, 2] {
            let (version, link) = &links[at];
            chains.settle(link, *version, || shown.push(*version));
        }
        assert_eq!(shown, [2, 3]);
        assert!(chains.lock([stream()].iter()).head(&stream()).is_none());
    }

    #[test]
    fn what_is_created_is_being_born_until_that_is_durable() {
        let chains = Chains::new();
        assert_eq!(is_being_born(&chains), None);
        let created = extend(&chains, 1);
        assert_eq!(is_being_born(&chains), Some(true));
        chains.break_off(&created);
        assert_eq!(is_being_born(&chains), None);

        let created = extend(&chains, 1);
        // A write that changes nothing keeps the chain.
        let condition = extend(&chains, 1);
        chains.settle(&created, 1, || {});
        assert_eq!(is_being_born(&chains), Some(false));
        chains.settle(&condition, 1, || {});
        extend(&chains, 2);
        assert_eq!(is_being_born(&chains), Some(false));
    }

    #[tokio::test]
    async fn a_head_is_durable_when_it_settles_and_not_when_its_chain_breaks() {
        let chains = Chains::new();
        let links = [1, 2].map(|version| (version, extend(&chains, version)));
        let durable = chains.lock([stream()].iter()).durable(&stream()).unwrap();
        // The later first: what comes after it changes nothing.
        for (version, link) in links.iter().rev() {
            chains.settle(link, *version, || {});
        }
        assert!(durable.wait().await);

        let link = extend(&chains, 3);
        let durable = chains.lock([stream()].iter()).durable(&stream()).unwrap();
        chains.break_off(&link);
        assert!(!durable.wait().await);
    }
}
