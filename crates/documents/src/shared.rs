//! The cache that instances share: what is taken from it, and on what proof.
//!
//! Nothing that comes from it is trusted. A value says up to which position of its lane it was the
//! newest; this instance knows what has changed lately, as far as it has seen the lane, and that
//! proves most values newest or old without a read. What it cannot prove is compared with the
//! store's head, one read of an index. So a shared cache that is flushed, foreign, or an old copy of
//! itself costs a read, never a promise.

mod backfill;
mod broadcast;
mod event_seal;
mod puts;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use gamemesh_cache::{Entry, Fill, L2, L2Error, Proof, RecentChanges, Tier};
use gamemesh_domain::document::Aggregate;
use gamemesh_feed::Feed;
use gamemesh_repository::{
    Incarnation, Lane, LogError, Position, StreamName, Version, seeded_defect,
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::broadcast::CommitBroadcast;
use self::event_seal::EventSeal;
use self::puts::{Put, Puts};
use self::seal::{Opened, Seal};
use crate::Applied;
use crate::DocumentsConfig;
use crate::metrics::SharedMetrics;
use crate::{Documents, write};

/// Keys in one of the two generations of a lane's recent changes, which take 25 bytes each.
const CHANGES_MAX: usize = 14_336;

/// Loads that look for a value in the shared cache at once, and may each ask the store for a head. The
/// next waits here, within its call's deadline: the queues of both are shorter than one call's list of
/// cold aggregates, and refuse.
const LOOKUPS_MAX: usize = 64;

/// How long the shared cache is left alone after it has failed.
const REST: Duration = Duration::from_millis(500);

/// How long a value is waited for that another instance is loading: then it is loaded here as well.
const OTHERS_WAITS: [Duration; 4] = [
    Duration::from_millis(3),
    Duration::from_millis(6),
    Duration::from_millis(12),
    Duration::from_millis(24),
];

/// This instance's side of the shared cache.
pub(crate) struct Shared {
    l2: Arc<dyn L2>,
    seal: Seal,
    /// One for each lane.
    changes: Vec<RecentChanges>,
    puts: Puts,
    broadcast: CommitBroadcast,
    event_seal: EventSeal,
    metrics: SharedMetrics,
    /// How long an answer is waited for.
    reply_max: Duration,
    rests_until: Mutex<Option<Instant>>,
    /// Places for lookups.
    lookups: Semaphore,
}

/// What a reader asks of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The head of the stream, where the store has just been asked.
    pub(super) head: Option<Version>,
    /// This version is known to exist.
    pub(super) known: Version,
}

impl Wanted {
    /// What a version is worth, given what the changes of its lane say of it now. They are asked although
    /// the store has told its head: that was before this load began, and whatever came to be shown since
    /// then told no load that it is old.
    fn judge(self, version: Version, noted: Proof) -> Proof {
        match self.head {
            _ if version < self.known => Proof::Older,
            Some(head) if head != version => Proof::Older,
            Some(_) if noted == Proof::Unknown => Proof::Newest,
            _ => noted,
        }
    }
}

impl Shared {
    pub(super) fn new(
        l2: Arc<dyn L2>,
        config: &DocumentsConfig,
        store: Incarnation,
        feed: &Feed<Applied>,
        metrics: SharedMetrics,
    ) -> (Self, mpsc::Receiver<Put>) {
        let (puts, filled) = Puts::new();
        let changes: Vec<_> =
            feed.lanes().map(|lane| RecentChanges::new(feed.position(lane), CHANGES_MAX)).collect();
        let seal = Seal::new(config.service, config.token_secret.expose().as_bytes(), store);
        let event_seal =
            EventSeal::new(config.service, config.token_secret.expose().as_bytes(), store);
        let broadcast = CommitBroadcast::new(changes.len());
        let reply_max = config.shared_reply_max;
        let rests_until = Mutex::default();
        let lookups = Semaphore::new(LOOKUPS_MAX);
        let shared = Self {
            l2,
            seal,
            changes,
            puts,
            broadcast,
            event_seal,
            metrics,
            reply_max,
            rests_until,
            lookups,
        };
        (shared, filled)
    }

    fn changes(&self, lane: Lane) -> &RecentChanges {
        &self.changes[usize::from(lane.0)]
    }

    /// A version of another instance is about to be released.
    pub(super) fn note(&self, stream: &StreamName, lane: Lane, position: Position, version: u64) {
        self.changes(lane).note(stream.as_str(), position, version);
    }

    /// Events up to a position have become durable, with this state after them. Before it is
    /// acknowledged: from then on, what others have shared must not hide it.
    pub(super) fn committed(
        &self,
        stream: &StreamName,
        lane: Lane,
        position: Position,
        aggregate: &Arc<Aggregate>,
    ) {
        self.note(stream, lane, position, aggregate.version);
        let put = Put { stream: stream.clone(), aggregate: aggregate.clone(), as_of: position };
        if !self.puts.write(put) {
            self.metrics.put("dropped");
        }
    }

    /// Has what became durable here announced to other instances.
    pub(super) fn broadcast(&self, applied: &[Arc<Applied>]) {
        self.broadcast.committed(applied);
    }

    /// Leaves what was read from the store, or proven by it, for others.
    fn filled(&self, stream: &StreamName, aggregate: &Arc<Aggregate>, as_of: Position) {
        let put = Put { stream: stream.clone(), aggregate: aggregate.clone(), as_of };
        if !self.puts.fill(put) {
            self.metrics.put("dropped");
        }
    }

    async fn get(&self, stream: &StreamName) -> Option<Opened> {
        let key = self.seal.key(stream);
        let Some(envelope) = self.ask(self.l2.get(&key)).await? else {
            self.metrics.lookup("absent");
            return None;
        };
        let opened = self.seal.open(stream, &envelope);
        if opened.is_none() {
            self.metrics.lookup("refused");
        }
        opened
    }

    async fn put(&self, stream: &StreamName, aggregate: &Aggregate, as_of: Position) {
        let envelope = self.seal.seal(stream, aggregate, as_of);
        let key = self.seal.key(stream);
        let put = self.ask(self.l2.put(&key, envelope)).await;
        self.metrics.put(if put.is_some() { "sent" } else { "failed" });
    }

    /// Whether another instance is loading this already.
    async fn is_claimed(&self, stream: &StreamName) -> bool {
        let key = self.seal.key(stream);
        self.ask(self.l2.claim(&key)).await == Some(Fill::Others)
    }

    /// An answer in time; `None` if there is none, whatever the reason. A shared cache that has failed
    /// is left alone for a while, so that one that hangs holds up few readers.
    async fn ask<T>(&self, asked: impl Future<Output = Result<T, L2Error>>) -> Option<T> {
        if self.rests_until.lock().is_some_and(|until| Instant::now() < until) {
            self.metrics.lookup("resting");
            return None;
        }
        let failure = match tokio::time::timeout(self.reply_max, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the shared cache did not answer in time".to_owned(),
        };
        tracing::debug!(%failure, "the shared cache failed");
        self.metrics.lookup("failed");
        *self.rests_until.lock() = Some(Instant::now() + REST);
        None
    }
}

/// Fills the shared cache, learns what has changed lately, and exchanges commits with other instances,
/// until `stop`.
pub(crate) async fn run(
    documents: Arc<Documents>,
    filled: mpsc::Receiver<Put>,
    stop: CancellationToken,
) {
    let Some(shared) = &documents.shared else { return };
    tokio::join!(
        puts::run(&documents, shared, filled, &stop),
        backfill::run(&documents, shared, &stop),
        broadcast::run(&documents, shared, &stop),
    );
}

impl Documents {
    /// The newest state of a stream that the caches of this process do not have.
    pub(super) async fn load_beside_others(
        &self,
        shared: &Shared,
        stream: &StreamName,
        wanted: Wanted,
    ) -> Result<(Entry<Aggregate>, Tier), LogError> {
        if let Some(entry) = self.shared_by_others(shared, stream, wanted).await? {
            return Ok((entry, Tier::L2));
        }
        let seen = self.feed.position(stream.lane(self.log.lanes()));
        let (aggregate, position) = self.loader.newest_at(stream).await?;
        shared.filled(stream, &aggregate, seen.max(position));
        Ok((write::entry(&aggregate), Tier::Store))
    }

    /// What the shared cache has, or soon has because another instance is loading it.
    async fn shared_by_others(
        &self,
        shared: &Shared,
        stream: &StreamName,
        wanted: Wanted,
    ) -> Result<Option<Entry<Aggregate>>, LogError> {
        let _place = shared.lookups.acquire().await;
        if let Some(entry) = self.proven(shared, stream, wanted).await? {
            return Ok(Some(entry));
        }
        if shared.is_claimed(stream).await {
            for wait in OTHERS_WAITS {
                tokio::time::sleep(wait).await;
                if let Some(entry) = self.proven(shared, stream, wanted).await? {
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    /// What the shared cache has, if it is proven to be as new as everything that this instance has
    /// seen, and as what is wanted.
    async fn proven(
        &self,
        shared: &Shared,
        stream: &StreamName,
        wanted: Wanted,
    ) -> Result<Option<Entry<Aggregate>>, LogError> {
        let Some(Opened { aggregate, as_of }) = shared.get(stream).await else { return Ok(None) };
        let aggregate = Arc::new(aggregate);
        let lane = stream.lane(self.log.lanes());
        let seen = self.feed.position(lane);
        let version = aggregate.version;
        let noted = shared.changes(lane).proof(stream.as_str(), version, as_of, seen);
        let proof = wanted.judge(version, noted);
        let proof = if seeded_defect("cache.proof") { Proof::Newest } else { proof };
        let outcome = match proof {
            Proof::Newest => "proven",
            Proof::Older => "old",
            Proof::Unknown => {
                let head = self.log.head(stream).await?;
                let (head, position) = head.map_or((0, 0), |head| (head.version, head.position));
                if head == version {
                    shared.filled(stream, &aggregate, seen.max(position));
                    "confirmed"
                } else {
                    "old"
                }
            }
        };
        shared.metrics.lookup(outcome);
        Ok((outcome != "old").then(|| write::entry(&aggregate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_proves_what_nothing_noted_since_contradicts() {
        use Proof::{Newest, Older, Unknown};
        let table = [
            (None, 0, [Newest, Older, Unknown]),
            (None, 7, [Newest, Older, Unknown]),
            (None, 8, [Older, Older, Older]),
            (Some(7), 7, [Newest, Older, Newest]),
            (Some(6), 6, [Older, Older, Older]),
            (Some(8), 8, [Older, Older, Older]),
            (Some(7), 8, [Older, Older, Older]),
        ];
        for (head, known, judged) in table {
            let wanted = Wanted { head, known };
            let judges = [Newest, Older, Unknown].map(|noted| wanted.judge(7, noted));
            assert_eq!(judges, judged, "{wanted:?}");
        }
    }
}
