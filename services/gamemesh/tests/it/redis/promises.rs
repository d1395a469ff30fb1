//! Writers and readers at all instances, and what each read must not be older than.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use gamemesh_client::{Client, v1};
use gamemesh_contracts::common::v1::Consistency;
use gamemesh_testkit::World;
use prost_types::value::Kind;
use tokio::task::JoinHandle;

use crate::it::crash::random;
use crate::it::ledger::{client, count_up};

/// So many that an instance's own cache cannot hold them.
const AGGREGATES: usize = 60;
/// Bytes that each carries beside its count.
const BURDEN_BYTES: usize = 1_000;
const WRITERS_PER_INSTANCE: usize = 1;
const READERS_PER_INSTANCE: usize = 3;
/// How old a bounded read may be.
const BOUND: Duration = Duration::from_millis(200);
/// Between two writes of one writer: most reads shall find what they found before.
const WRITE_EVERY: Duration = Duration::from_millis(10);
/// Between two reads of one reader: whoever keeps the machine busy finds every server slow.
const READ_EVERY: Duration = Duration::from_millis(2);

/// What was acknowledged of one aggregate: when and which version, and the token of the newest.
struct Acknowledged(Vec<(Instant, i64)>, String);

/// Writers and readers who go on until they are stopped. Any error of a read or write ends the test.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

type Board = Arc<Vec<Mutex<Acknowledged>>>;

impl Load {
    pub(super) async fn start(worlds: &[World]) -> Self {
        let first = client(&worlds[0]);
        let created = (0..AGGREGATES).map(async |n| {
            let created = first.create_aggregate(burden(n)).await.unwrap().write.unwrap();
            Mutex::new(Acknowledged(vec![(Instant::now(), created.version)], created.token))
        });
        let board: Board = Arc::new(join_all(created).await);
        let mut load = Self {
            stop: Arc::default(),
            reads: Arc::default(),
            writes: Arc::default(),
            tasks: Vec::new(),
        };
        for (at, world) in worlds.iter().enumerate() {
            for n in 0..WRITERS_PER_INSTANCE {
                // Nobody else writes what he writes, so that he knows each version.
                let mine = at * WRITERS_PER_INSTANCE + n;
                let others = worlds.len() * WRITERS_PER_INSTANCE;
                let (board, client, stop) = (board.clone(), client(world), load.stop.clone());
                let writes = load.writes.clone();
                load.tasks.push(tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let share = AGGREGATES / others;
                        write(&client, &board, random(share as u64) as usize * others + mine).await;
                        writes.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(WRITE_EVERY).await;
                    }
                }));
            }
            for _ in 0..READERS_PER_INSTANCE {
                let (board, client, stop) = (board.clone(), client(world), load.stop.clone());
                let reads = load.reads.clone();
                load.tasks.push(tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        read(&client, &board, random(AGGREGATES as u64) as usize).await;
                        reads.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(READ_EVERY).await;
                    }
                }));
            }
        }
        load
    }

    /// How many reads and writes there were.
    pub(super) async fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (self.reads.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed))
    }
}

fn id(n: usize) -> String {
    format!("shared-{n}")
}

fn burden(n: usize) -> v1::CreateAggregateRequest {
    let burden = prost_types::Value { kind: Some(Kind::StringValue("x".repeat(BURDEN_BYTES))) };
    let fields = [("burden".to_owned(), burden)].into();
    v1::CreateAggregateRequest {
        r#type: "world".into(),
        id: id(n),
        state: Some(prost_types::Struct { fields }),
        ..Default::default()
    }
}

async fn write(client: &Client, board: &Board, n: usize) {
    let written = client.update_aggregate(count_up(&id(n), "")).await.unwrap();
    let written = written.write.unwrap();
    let mut board = board[n].lock().unwrap();
    board.0.push((Instant::now(), written.version));
    board.1 = written.token;
}

async fn read(client: &Client, board: &Board, n: usize) {
    let consistency = match random(3) {
        0 => Consistency::Strong,
        1 => Consistency::AtLeast,
        _ => Consistency::Bounded,
    };
    let mut request = v1::GetAggregateRequest {
        r#type: "world".into(),
        id: id(n),
        consistency: consistency.into(),
        ..Default::default()
    };
    let least = {
        let Acknowledged(versions, token) = &*board[n].lock().unwrap();
        let newest_by = |time: Instant| {
            versions.iter().rev().find(|(at, _)| *at <= time).map_or(0, |(_, version)| *version)
        };
        let now = Instant::now();
        match consistency {
            Consistency::Bounded => {
                request.max_age =
                    Some(prost_types::Duration { seconds: 0, nanos: BOUND.subsec_nanos() as i32 });
                now.checked_sub(BOUND).map_or(0, newest_by)
            }
            Consistency::AtLeast => {
                request.token.clone_from(token);
                newest_by(now)
            }
            _ => newest_by(now),
        }
    };
    let answer = match client.get_aggregate(request).await {
        Ok(answer) => answer,
        // It may be as old as from before it was made.
        Err(error) if error.code == tonic::Code::NotFound && least == 0 => return,
        Err(error) => panic!("a {consistency:?} read failed: {error:?}"),
    };
    let aggregate = answer.aggregate.unwrap();
    let version = aggregate.version;
    assert!(version >= least, "{}: {consistency:?} read {version} after {least}", id(n));
    // The first version has no count, and each after it counts one up.
    let count = match aggregate.state.unwrap().fields.get("count").and_then(|v| v.kind.clone()) {
        Some(Kind::NumberValue(count)) => count,
        _ => 0.0,
    };
    assert_eq!(count, (version - 1) as f64, "{}: version and state do not match", id(n));
}
