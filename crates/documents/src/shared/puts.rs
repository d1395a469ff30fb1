//! Values that are queued for the shared cache. Readers and writers enqueue them and go on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use gamemesh_cache::Proof;
use gamemesh_domain::document::Aggregate;
use gamemesh_repository::{Position, StreamName};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::Documents;

/// Filled values that wait. When full, a value is not shared: the next reader loads it again.
const FILLED_MAX: usize = 1_024;

/// Written aggregates that wait, each once. When full, a write is not shared.
const WRITTEN_MAX: usize = 1_024;

/// Between two rounds of written aggregates: what is written often is shared once a round.
const ROUND: Duration = Duration::from_millis(100);

/// Written aggregates that are shared in one round. Encoding, sealing and sending one takes some tens
/// of microseconds, so writes cost the shared cache and this process a few hundredths of a core at most.
const ROUND_MAX: usize = 200;

/// Puts that wait for the shared cache at once.
const IN_FLIGHT_MAX: usize = 16;

/// A state and up to where it is known to be the newest.
pub(crate) struct Put {
    pub(super) stream: StreamName,
    pub(super) aggregate: Arc<Aggregate>,
    pub(super) as_of: Position,
}

pub(super) struct Puts {
    filled: mpsc::Sender<Put>,
    written: Mutex<Written>,
}

/// The newest of each aggregate, in the order in which they were first written.
#[derive(Default)]
struct Written {
    newest: HashMap<StreamName, Put>,
    order: VecDeque<StreamName>,
}

impl Puts {
    pub(super) fn new() -> (Self, mpsc::Receiver<Put>) {
        let (filled, inbox) = mpsc::channel(FILLED_MAX);
        (Self { filled, written: Mutex::default() }, inbox)
    }

    /// Whether the queue had room.
    pub(super) fn fill(&self, put: Put) -> bool {
        self.filled.try_send(put).is_ok()
    }

    /// Whether the queue had room.
    pub(super) fn write(&self, put: Put) -> bool {
        let mut written = self.written.lock();
        if let Some(known) = written.newest.get_mut(&put.stream) {
            if put.aggregate.version > known.aggregate.version {
                *known = put;
            }
            return true;
        }
        if written.newest.len() >= WRITTEN_MAX {
            return false;
        }
        written.order.push_back(put.stream.clone());
        written.newest.insert(put.stream.clone(), put);
        true
    }

    fn take(&self) -> Vec<Put> {
        let mut written = self.written.lock();
        let count = written.order.len().min(ROUND_MAX);
        let streams: Vec<StreamName> = written.order.drain(..count).collect();
        streams.iter().filter_map(|stream| written.newest.remove(stream)).collect()
    }

    fn rounds(&self) -> impl Stream<Item = Put> {
        stream::unfold((), async |()| {
            tokio::time::sleep(ROUND).await;
            Some((stream::iter(self.take()), ()))
        })
        .flatten()
    }
}

/// Sends what is queued to the shared cache, until `stop`.
pub(super) async fn run(
    documents: &Documents,
    shared: &Shared,
    filled: mpsc::Receiver<Put>,
    stop: &CancellationToken,
) {
    let filled = tokio_stream::wrappers::ReceiverStream::new(filled);
    stream::select(filled, Box::pin(shared.puts.rounds()))
        .take_until(stop.cancelled())
        .for_each_concurrent(IN_FLIGHT_MAX, |put| documents.put_shared(shared, put))
        .await;
}

impl Documents {
    async fn put_shared(&self, shared: &Shared, put: Put) {
        let Put { stream, aggregate, as_of } = put;
        let lane = stream.lane(self.log.lanes());
        let seen = self.feed.position(lane);
        let proof = shared.changes(lane).proof(stream.as_str(), aggregate.version, as_of, seen);
        // The later it is known to be the newest, the longer others can prove it.
        let as_of = match proof {
            Proof::Newest => as_of.max(seen),
            Proof::Unknown => as_of,
            Proof::Older => return,
        };
        shared.put(&stream, &aggregate, as_of).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, version: u64) -> Put {
        Put {
            stream: StreamName::new("economy", key),
            aggregate: Arc::new(Aggregate { version, ..Aggregate::default() }),
            as_of: version,
        }
    }

    #[test]
    fn what_is_written_often_is_shared_once() {
        let (puts, _inbox) = Puts::new();
        for (key, version) in [("a", 1), ("b", 1), ("a", 3), ("a", 2)] {
            assert!(puts.write(put(key, version)));
        }
        let taken: Vec<_> =
            puts.take().iter().map(|p| (p.stream.key().to_owned(), p.aggregate.version)).collect();
        assert_eq!(taken, [("a".to_owned(), 3), ("b".to_owned(), 1)]);
        assert!(puts.take().is_empty());
    }

    #[test]
    fn a_full_queue_refuses() {
        let (puts, _inbox) = Puts::new();
        for n in 0..WRITTEN_MAX {
            assert!(puts.write(put(&n.to_string(), 1)) && puts.fill(put("f", 1)));
        }
        assert!(!puts.write(put("one more", 1)) && !puts.fill(put("f", 1)));
        assert!(puts.write(put("0", 2)), "what waits already takes the newer version");
        assert_eq!(puts.take().len(), ROUND_MAX);
        assert!(puts.write(put("one more", 1)));
    }
}
