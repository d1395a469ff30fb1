//! Reads go to standbys, and nobody can tell: what was written is seen, whatever becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_postgres::{PostgresStore, ReplicaStatistics};
use gamemesh_repository::conformance::memories;
use gamemesh_repository::{
    Direction, EventLog, Expected, LogName, MemoryChange, MemoryRow, MemoryTables, StreamName,
};
use gamemesh_testkit::postgres::PostgresCluster;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::load::{append, event, name};
use crate::server::options;

/// Readers of what was written long ago, and writers who read what they write.
const READERS: usize = 4;
const WRITERS: usize = 3;

/// Streams that were written before.
const OLD: usize = 200;

async fn cluster() -> PostgresCluster {
    tokio::task::spawn_blocking(|| PostgresCluster::start().unwrap()).await.unwrap()
}

async fn open(cluster: &PostgresCluster, log: LogName) -> Arc<PostgresStore> {
    let options = gamemesh_postgres::PostgresOptions { log, ..options() };
    let opened = PostgresStore::open_with_replicas(cluster.url(), cluster.replicas(), options);
    opened.await.unwrap()
}

/// Waits until the standbys are as they should be.
async fn until(store: &PostgresStore, what: &str, are: impl Fn(&[ReplicaStatistics]) -> bool) {
    for _ in 0..600 {
        if are(&store.replica_statistics()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: {:?}", store.replica_statistics());
}

async fn write(store: &PostgresStore, stream: &StreamName, count: usize) {
    let events = (0..count).map(|_| event(b"e")).collect();
    store.append(append(vec![(stream.clone(), Expected::Any, events)])).await.unwrap();
}

async fn versions(store: &PostgresStore, stream: &StreamName) -> u64 {
    let events = store.read_stream(stream, 1, 10_000, Direction::Forward).await.unwrap();
    events.last().map_or(0, |event| event.version)
}

async fn replay(cluster: &PostgresCluster, goes_on: bool) {
    let sql = match goes_on {
        true => "SELECT pg_wal_replay_resume()",
        false => "SELECT pg_wal_replay_pause()",
    };
    for url in cluster.replicas() {
        let mut connection = PgConnection::connect(url).await.unwrap();
        // Recovery may cancel any statement.
        while sqlx::query(sql).execute(&mut connection).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn memory(id: u128, text: &str) -> MemoryRow {
    MemoryRow { text: text.to_owned(), ..memories::memory(id) }
}

/// Standbys that answer and stand still: whatever this instance knows must come from the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_seen_though_no_standby_replays() {
    let cluster = cluster().await;
    let (ours, other) =
        (open(&cluster, LogName::State).await, open(&cluster, LogName::State).await);
    let (old, fresh) = (name("old"), name("fresh"));
    write(&ours, &old, 3).await;
    let have_caught_up =
        |all: &[ReplicaStatistics]| all.iter().all(|one| one.is_used && one.age.is_zero());
    until(&ours, "the standbys follow", have_caught_up).await;
    until(&other, "the standbys follow", have_caught_up).await;
    replay(&cluster, false).await;

    for count in 1..=10 {
        write(&ours, &fresh, 1).await;
        assert_eq!(versions(&ours, &fresh).await, count, "what was written is not seen");
        let together = ours.read_streams(&[(fresh.clone(), 1), (old.clone(), 1)], 100).await;
        let lengths: Vec<usize> = together.iter().map(|one| one.as_ref().unwrap().len()).collect();
        assert_eq!(lengths, [count as usize, 3], "what was written is not seen");
        // Another instance, which asks how far the stream is.
        let head = other.head(&fresh).await.unwrap().unwrap();
        assert_eq!(versions(&other, &fresh).await, head.version, "what was written is not seen");
    }
    // And one that is refused: it learns that there is more than it knew.
    let third = name("third");
    write(&ours, &third, 4).await;
    let stale = append(vec![(third.clone(), Expected::Exact(1), vec![event(b"x")])]);
    assert!(other.append(stale).await.is_err());
    assert_eq!(versions(&other, &third).await, 4, "what was written is not seen");

    // What was there before is still read from them, until they are too old.
    let before = |store: &PostgresStore| -> u64 {
        store.replica_statistics().iter().map(|one| one.reads_total).sum()
    };
    let reads = before(&ours);
    for _ in 0..20 {
        assert_eq!(versions(&ours, &old).await, 3);
    }
    assert!(before(&ours) > reads, "no standby was read from");
    write(&ours, &fresh, 1).await;
    until(&ours, "what lags is taken out", |all| all.iter().all(|one| !one.is_used)).await;
    assert_eq!(versions(&ours, &old).await, 3);
    replay(&cluster, true).await;
    until(&ours, "and comes back", have_caught_up).await;
}

/// A page of memories that a standby begins is as new as the primary's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_whole_though_no_standby_replays() {
    let cluster = cluster().await;
    let store = open(&cluster, LogName::Memory).await;
    let insert = |id, text| vec![MemoryChange::Insert(Box::new(memory(id, text)))];
    let rows = (1..=40).map(|id| insert(id, "old")).collect();
    store.change_memories(rows).await.unwrap();
    let stored = store.clone();
    until(&store, "the standbys follow", |all| all.iter().all(|one| one.is_used)).await;
    for _ in 0..600 {
        let url = &cluster.replicas()[0];
        let mut standby = PgConnection::connect(url).await.unwrap();
        let count = sqlx::query_scalar("SELECT count(*) FROM memory.memories");
        let count: i64 = count.fetch_one(&mut standby).await.unwrap_or(0);
        if count == 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    replay(&cluster, false).await;
    let erase = MemoryChange::Erase {
        collection: "npcs".to_owned(),
        id: Uuid::from_u128(7),
        readers: vec!["klaus".to_owned()],
    };
    let mut changed = memory(8, "changed");
    changed.version = 2;
    let replace = MemoryChange::Replace { row: Box::new(changed), expected: 1, left: Vec::new() };
    stored.change_memories(vec![insert(41, "new"), vec![erase], vec![replace]]).await.unwrap();
    for _ in 0..10 {
        let page = store.memory_page("npcs", "klaus", 0).await.unwrap();
        let mut found: Vec<(u128, &str)> =
            page.rows.iter().map(|row| (row.id.as_u128(), row.text.as_str())).collect();
        found.sort_unstable();
        let expected = (1..=41).filter(|id| *id != 7).map(|id| match id {
            8 => (id, "changed"),
            41 => (id, "new"),
            _ => (id, "old"),
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
    assert!(store.replica_statistics().iter().any(|one| one.reads_total > 0));
}

/// Under load one standby is held still, one is killed; both come back. Nobody misses a write, and
/// nobody is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_are_lost_and_come_back_under_load() {
    let cluster = Arc::new(cluster().await);
    let store = open(&cluster, LogName::State).await;
    for n in 0..OLD {
        write(&store, &name(&format!("old{n}")), 2).await;
    }
    until(&store, "the standbys follow", |all| all.iter().all(|one| one.is_used)).await;
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for reader in 0..READERS {
        let (store, stop, reads) = (store.clone(), stop.clone(), reads.clone());
        tasks.push(tokio::spawn(async move {
            let mut n = reader;
            while !stop.load(Ordering::Relaxed) {
                n = (n * 7 + 3) % OLD;
                assert_eq!(versions(&store, &name(&format!("old{n}"))).await, 2);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for writer in 0..WRITERS {
        let (store, stop) = (store.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                let stream = name(&format!("w{writer}/{}", round / 20));
                write(&store, &stream, 1).await;
                round += 1;
                let expected = (round - 1) % 20 + 1;
                assert_eq!(versions(&store, &stream).await, expected, "a write is not seen");
            }
        }));
    }
    let act = async |what: fn(&PostgresCluster)| {
        let cluster = cluster.clone();
        tokio::task::spawn_blocking(move || what(&cluster)).await.unwrap();
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    act(|cluster| cluster.pause(0, true).unwrap()).await;
    until(&store, "one that hangs is out", |all| !all[0].is_used).await;
    act(|cluster| cluster.kill(1).unwrap()).await;
    until(&store, "one that is gone is out", |all| !all[1].is_used).await;
    let third = store.replica_statistics()[2].reads_total;
    until(&store, "the third goes on", |all| all[2].reads_total > third + 10).await;
    act(|cluster| cluster.pause(0, false).unwrap()).await;
    act(|cluster| cluster.start_again(1).unwrap()).await;
    until(&store, "all are back", |all| all.iter().all(|one| one.is_used)).await;
    let before = store.replica_statistics();
    until(&store, "all are read from", |all| {
        all.iter().zip(&before).all(|(one, before)| one.reads_total > before.reads_total)
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let by_standbys: u64 = store.replica_statistics().iter().map(|one| one.reads_total).sum();
    let all = reads.load(Ordering::Relaxed);
    assert!(by_standbys * 2 > all, "{by_standbys} of {all}, the writers' reads beside them");
}
