//! A log that reads at once and answers when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gamemesh_domain::document::{Change, Map};
use gamemesh_repository::memory::MemoryStore;
use gamemesh_repository::{
    Append, AppendError, Appended, Direction, Event, EventLog, Expected, Head, Incarnation, Lane,
    NewEvent, Pending, StoreSecret, StreamAppend, VerifyReport, Version,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::*;
use crate::encoding;

pub(super) struct Gated {
    pub(super) store: Arc<MemoryStore>,
    /// For each read of streams, how many it asked for.
    sent: Mutex<Vec<usize>>,
    answers: Semaphore,
    fails: AtomicBool,
}

impl Gated {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(),
            sent: Mutex::default(),
            answers: Semaphore::new(0),
            fails: AtomicBool::new(false),
        })
    }

    pub(super) fn sent(&self) -> Vec<usize> {
        self.sent.lock().clone()
    }

    /// Lets so many reads be answered, first come, first served.
    pub(super) fn answer(&self, reads: usize) {
        self.answers.add_permits(reads);
    }

    pub(super) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    pub(super) async fn append(&self, stream: &StreamName, events: usize) {
        let noted = Change::Noted { kind: "noted".into(), data: Map::default().into() };
        for _ in 0..events {
            self.write(stream, encoding::EncodeBuffer::of(1).encode(&noted, &[])).await;
        }
    }

    /// An event that no change is in.
    pub(super) async fn append_damaged(&self, stream: &StreamName) {
        self.write(stream, Bytes::from_static(&[255])).await;
    }

    async fn write(&self, stream: &StreamName, data: Bytes) {
        let id = Uuid::new_v4();
        let event = NewEvent { id, kind: "noted".into(), data, meta: Bytes::new() };
        let (stream, expected) = (stream.clone(), Expected::Any);
        let streams = vec![StreamAppend { stream, expected, events: vec![event] }];
        let append = Append { streams, idempotency: None, fence: None, now_us: 1 };
        self.store.append(append).await.unwrap();
    }

    pub(super) async fn position(&self, stream: &StreamName) -> Position {
        self.store.head(stream).await.unwrap().unwrap().position
    }

    /// A read that has been made is answered when the gate says so.
    async fn pass<T>(&self, streams: usize, read: T, failed: impl Fn(LogError) -> T) -> T {
        self.sent.lock().push(streams);
        self.answers.acquire().await.unwrap().forget();
        match self.fails.load(Ordering::SeqCst) {
            true => failed(LogError::Unavailable("the test says so".to_owned())),
            false => read,
        }
    }
}

#[async_trait]
impl EventLog for Gated {
    async fn read_stream(
        &self,
        stream: &StreamName,
        from: Version,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Event>, LogError> {
        let read = self.store.read_stream(stream, from, limit, direction).await;
        self.pass(1, read, Err).await
    }

    async fn read_streams(
        &self,
        asked: &[(StreamName, Version)],
        limit_each: usize,
    ) -> Vec<Result<Vec<Event>, LogError>> {
        let read = self.store.read_streams(asked, limit_each).await;
        self.pass(asked.len(), read, |error| vec![Err(error); asked.len()]).await
    }

    fn incarnation(&self) -> Incarnation {
        self.store.incarnation()
    }

    fn secret(&self) -> StoreSecret {
        self.store.secret()
    }

    fn lanes(&self) -> u16 {
        self.store.lanes()
    }

    fn is_sole_writer(&self) -> bool {
        true
    }

    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        self.store.append(append)
    }

    async fn idempotent(&self, key: &str) -> Result<Option<(Appended, [u8; 16])>, LogError> {
        self.store.idempotent(key).await
    }

    async fn read_lane(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, LogError> {
        self.store.read_lane(lane, after, limit).await
    }

    async fn head(&self, stream: &StreamName) -> Result<Option<Head>, LogError> {
        self.store.head(stream).await
    }

    async fn version_at(&self, stream: &StreamName, time_us: i64) -> Result<Version, LogError> {
        self.store.version_at(stream, time_us).await
    }

    fn tail(&self, lane: Lane) -> watch::Receiver<Position> {
        self.store.tail(lane)
    }

    async fn verify(&self) -> Result<VerifyReport, LogError> {
        self.store.verify().await
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.store.ping().await
    }
}
