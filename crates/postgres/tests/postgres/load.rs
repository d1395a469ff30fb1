//! Writers that keep account of what they were told, and what must be true afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gamemesh_postgres::PostgresStore;
use gamemesh_repository::{
    Append, AppendError, Event, EventLog, Expected, Lane, LogError, NewEvent, StreamAppend,
    StreamName, VerifyReport,
};
use uuid::Uuid;

pub(crate) fn name(key: &str) -> StreamName {
    StreamName::new("test", key)
}

pub(crate) fn event(data: &[u8]) -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        kind: "test.happened".into(),
        data: Bytes::copy_from_slice(data),
        meta: Bytes::new(),
    }
}

pub(crate) fn append(streams: Vec<(StreamName, Expected, Vec<NewEvent>)>) -> Append {
    let streams = streams
        .into_iter()
        .map(|(stream, expected, events)| StreamAppend { stream, expected, events })
        .collect();
    Append { streams, idempotency: None, fence: None, now_us: 1_000 }
}

/// What the writers were told.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) acknowledged: HashSet<Uuid>,
    /// The answer said that it is not known.
    pub(crate) unresolved: HashSet<Uuid>,
    pub(crate) refused: HashSet<Uuid>,
    pub(crate) errors: HashMap<String, u64>,
}

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    pub(crate) acknowledged: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<Account>>,
}

/// Writers over all stores: single events, chained expectations, several streams, over few streams.
pub(crate) fn start(stores: &[Arc<PostgresStore>], writers: u64, streams: u64) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writers = (0..writers)
        .map(|writer| {
            let store = stores[writer as usize % stores.len()].clone();
            tokio::spawn(write(store, writer, streams, stop.clone(), acknowledged.clone()))
        })
        .collect();
    Load { stop, acknowledged, writers }
}

impl Load {
    /// Waits until so many more appends have been acknowledged.
    pub(crate) async fn more(&self, appends: u64) {
        let target = self.acknowledged.load(Ordering::SeqCst) + appends;
        let began = Instant::now();
        while self.acknowledged.load(Ordering::SeqCst) < target {
            assert!(began.elapsed() < Duration::from_secs(60), "no progress");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn stop(self) -> Account {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Account::default();
        for writer in self.writers {
            let Account { acknowledged, unresolved, refused, errors } = writer.await.unwrap();
            all.acknowledged.extend(acknowledged);
            all.unresolved.extend(unresolved);
            all.refused.extend(refused);
            for (error, count) in errors {
                *all.errors.entry(error).or_default() += count;
            }
        }
        all
    }
}

async fn write(
    store: Arc<PostgresStore>,
    writer: u64,
    streams: u64,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Account {
    let mut account = Account::default();
    let mut round = writer;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        let stream = |offset: u64| name(&format!("s{}", (round * 7 + offset) % streams));
        let append = match round % 4 {
            0 | 1 => append(vec![(stream(0), Expected::Any, vec![event(b"one")])]),
            2 => append(vec![
                (stream(0), Expected::Any, vec![event(b"a"), event(b"b")]),
                (stream(1), Expected::Any, vec![event(b"c")]),
            ]),
            _ => {
                let Ok(head) = store.head(&stream(0)).await else { continue };
                let version = head.map_or(0, |head| head.version);
                append(vec![(stream(0), Expected::Exact(version), vec![event(b"exact")])])
            }
        };
        let ids = append.streams.iter().flat_map(|s| &s.events).map(|e| e.id);
        let ids: Vec<_> = ids.collect();
        match store.append(append).await {
            Ok(appended) => {
                assert!(!appended.repeated);
                account.acknowledged.extend(ids);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(AppendError::Log(LogError::Unresolved(_))) => account.unresolved.extend(ids),
            Err(error) => {
                account.refused.extend(ids);
                *account.errors.entry(format!("{:?}", error.code())).or_default() += 1;
                if !matches!(error, AppendError::Conflict { .. }) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
    account
}

/// Follows all lanes of a store, as a subscriber would: each position is the last plus one.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    lanes: Vec<tokio::task::JoinHandle<Vec<Event>>>,
}

pub(crate) fn follow(store: &Arc<PostgresStore>) -> Reader {
    let stop = Arc::new(AtomicBool::new(false));
    let lanes = (0..store.lanes())
        .map(|lane| tokio::spawn(follow_lane(store.clone(), Lane(lane), stop.clone())))
        .collect();
    Reader { stop, lanes }
}

async fn follow_lane(store: Arc<PostgresStore>, lane: Lane, stop: Arc<AtomicBool>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut tail = store.tail(lane);
    loop {
        let stopped = stop.load(Ordering::SeqCst);
        let next = events.len() as u64;
        match store.read_lane(lane, next, 500).await {
            Ok(read) if read.is_empty() && stopped => return events,
            Ok(read) => {
                for event in read {
                    assert_eq!(event.position, events.len() as u64 + 1, "{lane:?}");
                    events.push(event);
                }
            }
            Err(error) => assert!(
                matches!(error.code().reason(), "DEPENDENCY_UNAVAILABLE" | "POOL_EXHAUSTED"),
                "{error}"
            ),
        }
        let read_to = events.len() as u64;
        let _ = tokio::time::timeout(
            Duration::from_millis(50),
            tail.wait_for(|position| *position > read_to),
        )
        .await;
    }
}

impl Reader {
    /// All events that were followed, when there are no more.
    pub(crate) async fn stop(self) -> Vec<Event> {
        self.stop.store(true, Ordering::SeqCst);
        let mut events = Vec::new();
        for lane in self.lanes {
            events.extend(lane.await.unwrap());
        }
        events
    }
}

/// Every acknowledged event is there once, no refused one is; versions are dense; the log is sound.
pub(crate) async fn check(store: &Arc<PostgresStore>, account: &Account, events: &[Event]) {
    let mut versions: HashMap<&StreamName, u64> = HashMap::new();
    let mut ids = HashSet::new();
    for event in events {
        let version = versions.entry(&event.stream).or_default();
        *version += 1;
        assert_eq!(event.version, *version, "{}", event.stream);
        assert!(ids.insert(event.id), "event {} is there twice", event.id);
        assert!(!account.refused.contains(&event.id), "refused event {} is there", event.id);
    }
    for id in &account.acknowledged {
        assert!(ids.contains(id), "acknowledged event {id} is lost");
    }
    let known = |id: &Uuid| account.acknowledged.contains(id) || account.unresolved.contains(id);
    assert!(ids.iter().all(known));
    let report = verified(store).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.events, events.len() as u64);
}

/// The store's own check, once its breaker lets it through again.
async fn verified(store: &PostgresStore) -> VerifyReport {
    for _ in 0..600 {
        match store.verify().await {
            Ok(report) => return report,
            Err(error) => assert_eq!(error.code().reason(), "DEPENDENCY_UNAVAILABLE", "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store does not come back");
}
