//! Random operations, compared with the reference.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::sample::{event, name};
use super::tables::{aggregate, documents, match_row, player, state, step};
use super::{Fixture, Store};
use crate::memory::MemoryStore;
use crate::{
    AggregateRow, Append, Cursors, Direction, DocumentTables, EventLog, Expected, Idempotency,
    Lane, Pending, PlayerRow, Snapshot, Snapshots, StateTables, StreamAppend, TableSet,
    TableWriter,
};

const CASES: u32 = 40;
const OPERATIONS_MAX: usize = 40;
const STREAMS: u8 = 4;

#[derive(Debug, Clone)]
enum Operation {
    /// Called one after another before the first is awaited, or together.
    Appends {
        attempts: Vec<Attempt>,
        together: bool,
    },
    ReadStream {
        stream: u8,
        from: u64,
        limit: usize,
        backward: bool,
    },
    ReadLane {
        after: u64,
        limit: usize,
    },
    Head(u8),
    VersionAt {
        stream: u8,
        time_us: i64,
    },
    Idempotent(u8),
    PutSnapshot {
        stream: u8,
        version: u64,
        reducer: u64,
    },
    SnapshotAt {
        stream: u8,
        version: u64,
        reducer: u64,
    },
    ForgetSnapshots(u8),
    Project {
        late: bool,
        id: u8,
        version: u64,
        deleted: bool,
    },
    List {
        after: Option<u8>,
        limit: usize,
    },
    Rows(u8),
    ResetProjection,
    Reopen,
    Verify,
}

#[derive(Debug, Clone)]
enum Attempt {
    New {
        parts: Vec<Part>,
        key: Option<(u8, u8)>,
        now_us: i64,
    },
    /// An earlier append again, perhaps with other content.
    Again {
        nth: usize,
        altered: bool,
    },
}

#[derive(Debug, Clone)]
struct Part {
    stream: u8,
    expected: ExpectedForm,
    events: u64,
}

#[derive(Debug, Clone)]
enum ExpectedForm {
    Any,
    Exists,
    /// Relative to where the stream stands when the burst begins.
    Exact(i64),
}

#[expect(clippy::unused_async, reason = "a law is an async function")]
pub async fn random_operations<F: Fixture>() {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let config = Config {
            cases: CASES,
            max_shrink_iters: 400,
            failure_persistence: None,
            ..Config::default()
        };
        let operations = vec(operation(), 1..OPERATIONS_MAX);
        TestRunner::new(config)
            .run(&operations, |operations| {
                runtime.block_on(play::<F>(operations));
                Ok(())
            })
            .unwrap();
    });
}

fn operation() -> impl Strategy<Value = Operation> {
    let stream = || 0..STREAMS;
    let attempts = (vec(attempt(), 1..6), any::<bool>())
        .prop_map(|(attempts, together)| Operation::Appends { attempts, together });
    let limit = || prop_oneof![0..5_usize, Just(usize::MAX)];
    prop_oneof![
        12 => attempts,
        2 => (stream(), 0..12_u64, limit(), any::<bool>()).prop_map(
            |(stream, from, limit, backward)| Operation::ReadStream { stream, from, limit, backward }
        ),
        2 => (0..40_u64, limit())
            .prop_map(|(after, limit)| Operation::ReadLane { after, limit }),
        1 => stream().prop_map(Operation::Head),
        2 => (stream(), 0..60_i64)
            .prop_map(|(stream, time_us)| Operation::VersionAt { stream, time_us }),
        1 => (0..4_u8).prop_map(Operation::Idempotent),
        1 => (stream(), 0..6_u64, 0..2_u64).prop_map(
            |(stream, version, reducer)| Operation::PutSnapshot { stream, version, reducer }
        ),
        1 => (stream(), 0..8_u64, 0..2_u64).prop_map(
            |(stream, version, reducer)| Operation::SnapshotAt { stream, version, reducer }
        ),
        1 => stream().prop_map(Operation::ForgetSnapshots),
        2 => (prop::bool::weighted(0.2), 0..4_u8, 0..9_u64, any::<bool>()).prop_map(
            |(late, id, version, deleted)| Operation::Project { late, id, version, deleted }
        ),
        1 => (prop::option::of(0..4_u8), limit())
            .prop_map(|(after, limit)| Operation::List { after, limit }),
        1 => (0..4_u8).prop_map(Operation::Rows),
        1 => Just(Operation::ResetProjection),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Verify),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let expected = prop_oneof![
        2 => Just(ExpectedForm::Any),
        1 => Just(ExpectedForm::Exists),
        5 => (-2..3_i64).prop_map(ExpectedForm::Exact),
    ];
    let part = (0..STREAMS, expected, 0..3_u64).prop_map(|(stream, expected, events)| Part {
        stream,
        expected,
        events,
    });
    let key = prop::option::weighted(0.3, (0..4_u8, 0..2_u8));
    let new = (vec(part, 1..4), key, 0..60_i64).prop_map(|(parts, key, now_us)| Attempt::New {
        parts,
        key,
        now_us,
    });
    let again = (0..100_usize, prop::bool::weighted(0.2))
        .prop_map(|(nth, altered)| Attempt::Again { nth, altered });
    prop_oneof![3 => new, 1 => again]
}

struct Play<F> {
    fixture: F,
    model: Arc<MemoryStore>,
    appends: Vec<Append>,
    events: u64,
}

async fn play<F: Fixture>(operations: Vec<Operation>) {
    let fixture = F::fresh().await;
    let model = MemoryStore::with_lanes(fixture.store().lanes());
    let mut play = Play { fixture, model, appends: Vec::new(), events: 0 };
    for operation in operations {
        play.operate(operation).await;
    }
}

async fn join_all<T>(pending: Vec<Pending<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(pending.len());
    for pending in pending {
        results.push(pending.await);
    }
    results
}

fn same<T: Debug>(ours: T, models: T, operation: &str) {
    assert_eq!(format!("{ours:?}"), format!("{models:?}"), "{operation}");
}

impl<F: Fixture> Play<F> {
    async fn operate(&mut self, operation: Operation) {
        let (store, model) = (self.fixture.store(), self.model.clone());
        let stream = |number: u8| name(&number.to_string());
        let text = format!("{operation:?}");
        match operation {
            Operation::Appends { attempts, together } => {
                self.append(&*store, attempts, together).await;
            }
            Operation::ReadStream { stream: number, from, limit, backward } => {
                let direction = if backward { Direction::Backward } else { Direction::Forward };
                let stream = stream(number);
                let ours = store.read_stream(&stream, from, limit, direction).await;
                same(ours, model.read_stream(&stream, from, limit, direction).await, &text);
            }
            Operation::ReadLane { after, limit } => {
                for lane in (0..store.lanes()).map(Lane) {
                    let ours = store.read_lane(lane, after, limit).await;
                    same(ours, model.read_lane(lane, after, limit).await, &text);
                }
            }
            Operation::Head(number) => {
                same(store.head(&stream(number)).await, model.head(&stream(number)).await, &text);
            }
            Operation::VersionAt { stream: number, time_us } => {
                let ours = store.version_at(&stream(number), time_us).await;
                same(ours, model.version_at(&stream(number), time_us).await, &text);
            }
            Operation::Idempotent(key) => {
                let key = key.to_string();
                same(store.idempotent(&key).await, model.idempotent(&key).await, &text);
            }
            Operation::PutSnapshot { stream: number, version, reducer } => {
                let state = Bytes::from(format!("{} {version}", self.events));
                let stream = stream(number);
                let snapshot = Snapshot { stream, version, reducer, time_us: 1, state };
                model.put_snapshot(snapshot.clone()).await.unwrap();
                store.put_snapshot(snapshot).await.unwrap();
            }
            Operation::SnapshotAt { stream: number, version, reducer } => {
                let ours = store.snapshot_at(&stream(number), version, reducer).await;
                same(ours, model.snapshot_at(&stream(number), version, reducer).await, &text);
            }
            Operation::ForgetSnapshots(number) => {
                model.forget_snapshots(&stream(number)).await.unwrap();
                store.forget_snapshots(&stream(number)).await.unwrap();
            }
            Operation::Project { late, id, version, deleted } => {
                let cursor = model.cursor("p", Lane(0)).await.unwrap();
                let from = cursor.position + u64::from(late);
                let id = id.to_string();
                let rows = vec![
                    documents(vec![AggregateRow { deleted, ..aggregate("t", &id, version) }]),
                    state(
                        vec![PlayerRow { deleted, ..player(&id, version) }],
                        vec![match_row(&id, version)],
                    ),
                ];
                let ours = store.write(step("p", from, rows.clone())).await;
                same(ours, model.write(step("p", from, rows)).await, &text);
            }
            Operation::List { after, limit } => {
                let after = after.map(|after| after.to_string());
                let ours = store.list("t", after.as_deref(), limit).await;
                same(ours, model.list("t", after.as_deref(), limit).await, &text);
            }
            Operation::Rows(id) => {
                let id = id.to_string();
                same(store.aggregate("t", &id).await, model.aggregate("t", &id).await, &text);
                same(store.player(&id).await, model.player(&id).await, &text);
                same(store.match_state(&id).await, model.match_state(&id).await, &text);
            }
            Operation::ResetProjection => {
                let all = [TableSet::Documents, TableSet::State];
                model.clear("p", &all).await.unwrap();
                store.clear("p", &all).await.unwrap();
            }
            Operation::Reopen => {
                drop(store);
                self.fixture.reopen().await;
            }
            Operation::Verify => {
                let (ours, models) = (store.verify().await.unwrap(), model.verify().await.unwrap());
                assert!(ours.is_clean(), "{ours:?}");
                assert_eq!((ours.events, ours.streams), (models.events, models.streams));
            }
        }
    }

    async fn append(&mut self, store: &dyn Store, attempts: Vec<Attempt>, together: bool) {
        let mut appends = Vec::new();
        for attempt in attempts {
            appends.extend(self.build(attempt).await);
        }
        let ours = match together {
            true => store.append_each(appends.clone()).await,
            false => {
                let one = |append: &Append| store.append(append.clone());
                join_all(appends.iter().map(one).collect()).await
            }
        };
        assert_eq!(ours.len(), appends.len());
        for (ours, append) in ours.into_iter().zip(appends) {
            let text = format!("{append:?}");
            self.appends.push(append.clone());
            same(ours, self.model.append(append).await, &text);
        }
    }

    async fn build(&mut self, attempt: Attempt) -> Option<Append> {
        match attempt {
            Attempt::Again { nth, altered } => {
                let nth = nth.checked_rem(self.appends.len())?;
                let mut append = self.appends[nth].clone();
                if altered {
                    let event = append.streams.iter_mut().find_map(|s| s.events.last_mut())?;
                    event.data = Bytes::from_static(b"altered");
                }
                Some(append)
            }
            Attempt::New { parts, key, now_us } => {
                let mut streams = Vec::new();
                for Part { stream, expected, events } in parts {
                    let stream = name(&stream.to_string());
                    let head = self.model.head(&stream).await.unwrap();
                    let version = head.map_or(0, |head| head.version);
                    let expected = match expected {
                        ExpectedForm::Any => Expected::Any,
                        ExpectedForm::Exists => Expected::Exists,
                        ExpectedForm::Exact(offset) => {
                            Expected::Exact(version.saturating_add_signed(offset))
                        }
                    };
                    let first = self.events;
                    self.events += events;
                    let events = (first..self.events).map(event).collect();
                    streams.push(StreamAppend { stream, expected, events });
                }
                let idempotency = key.map(|(key, fingerprint)| Idempotency {
                    key: key.to_string(),
                    fingerprint: [fingerprint; 16],
                });
                Some(Append { streams, idempotency, fence: None, now_us })
            }
        }
    }
}
