//! Reads go to standbys, and nobody can tell: what was written is seen, whatever becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gamemesh_postgres::{PostgresStore, ReplicaStatistics};
use gamemesh_repository::conformance::memories;
use gamemesh_repository::{
    Cursor, Direction, EntityQuery, EntityRow, EventLog, Expected, HistoryQuery, HistoryRow, Lane,
    LogName, MemoryChange, MemoryRow, MemoryTables, Projected, StreamName, TableMark, TableRows,
    TableWriter,
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

/// Tables that a standby has a copy of: it answers what its copy has, and the primary everything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_have_what_is_named_though_no_standby_replays() {
    let cluster = cluster().await;
    let store = open(&cluster, LogName::Memory).await;
    let reads = || -> u64 { store.replica_statistics().iter().map(|one| one.reads_total).sum() };
    let failures =
        || -> u64 { store.replica_statistics().iter().map(|one| one.failures_total).sum() };
    let entity = |id: &str, position| {
        let stream = StreamName::new("entity", id);
        let rows = vec![TableRows::Entities(vec![EntityRow {
            id: id.to_owned(),
            entity_type: "door".to_owned(),
            data: "{}".to_owned(),
            version: 1,
            created_us: 1,
            updated_us: 1,
            deleted: false,
        }])];
        let to = Cursor { projection: "memory".to_owned(), lane: Lane(0), position: position + 1 };
        (stream, Projected { from: position, to, rows })
    };
    let listed = |position| EntityQuery {
        entity_type: None,
        from_us: i64::MIN,
        until_us: i64::MAX,
        after: None,
        limit: 100,
        written: TableMark {
            projection: "memory".to_owned(),
            positions: vec![(Lane(0), position)],
        },
    };
    let entry = |id: u128| HistoryRow {
        player_id: "p".to_owned(),
        time_us: 1_793_491_200_000_000,
        entry_id: Uuid::from_u128(id),
        action: "kill".to_owned(),
        context: "{}".to_owned(),
    };
    let done = |at_least| HistoryQuery {
        player_id: "p".to_owned(),
        from_us: 0,
        until_us: i64::MAX,
        action: None,
        after: None,
        oldest_first: true,
        limit: 100,
        at_least,
    };
    // The log is as far as the cursor is: a projection never is ahead of it.
    let (stream, first) = entity("a", 0);
    write_in(&store, &stream, Lane(0)).await;
    TableWriter::write(&*store, first).await.unwrap();
    let early = store.append_history(vec![entry(1)]).await.unwrap().mark;
    let lane = "SELECT min(position) FROM memory.cursor";
    for url in cluster.replicas() {
        until_there(url, &format!("{lane} HAVING min(position) >= 1")).await;
        until_there(url, "SELECT 1::bigint FROM memory.player_history").await;
    }
    until(&store, "the standbys follow", |all| all.iter().all(|one| one.is_used)).await;
    let before = reads();
    for _ in 0..20 {
        assert_eq!(store.entities(&listed(1)).await.unwrap().len(), 1);
        assert_eq!(store.history(&done(Some(early))).await.unwrap().len(), 1);
    }
    assert!(reads() >= before + 20, "no standby was read from");

    replay(&cluster, false).await;
    // In the log of the standbys, and not yet in their tables, it would be seen by whoever asks for more.
    let (_, second) = entity("b", 1);
    TableWriter::write(&*store, second).await.unwrap();
    let late = store.append_history(vec![entry(2)]).await.unwrap();
    assert_eq!(late.repeated, [false]);
    // Told again: what was there before is in it, too.
    let again = store.append_history(vec![entry(2)]).await.unwrap();
    assert_eq!(again.repeated, [true]);
    let (mut old, before) = (0, reads());
    for _ in 0..20 {
        assert_eq!(store.entities(&listed(2)).await.unwrap().len(), 2, "a written row is not seen");
        for mark in [late.mark, again.mark] {
            let seen = store.history(&done(Some(mark))).await.unwrap().len();
            assert_eq!(seen, 2, "an append that is named is not seen");
        }
        // Without a name, everything.
        assert_eq!(store.history(&done(None)).await.unwrap().len(), 2);
        old += usize::from(store.history(&done(Some(early))).await.unwrap().len() == 1);
    }
    assert!(old > 0 && reads() > before, "what an older token names comes from a standby still");
    assert_eq!(failures(), 0, "a standby that is not that far has not failed");
    replay(&cluster, true).await;
}

/// An event in a lane.
async fn write_in(store: &PostgresStore, stream: &StreamName, lane: Lane) {
    let streams = (0..).map(|n| name(&format!("{}{n}", stream.key())));
    let in_lane = streams.into_iter().find(|one| one.lane(store.lanes()) == lane).unwrap();
    write(store, &in_lane, 1).await;
}

/// Waits until a standby answers a query with a row.
async fn until_there(url: &str, sql: &str) {
    for _ in 0..1_200 {
        let mut standby = PgConnection::connect(url).await.unwrap();
        let found = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql.to_owned()));
        if found.fetch_optional(&mut standby).await.is_ok_and(|row| row.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{sql}");
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
