//! The end of the process at any moment. The store works in a child process, which is this test
//! binary again; what it acknowledged must be in the file afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use gamemesh_repository::conformance::sample;
use gamemesh_repository::{
    AggregateRow, Append, Cursor, Cursors, DocumentTables, EventLog, Expected, NewEvent, PlayerRow,
    Projected, Snapshot, Snapshots, StateRows, StateTables, TableRows, TableWriter,
};
use gamemesh_sqlite::SqliteStore;
use rand::Rng;

use crate::{LANE, events, file, filled, open};

const FOLDER: &str = "GAMEMESH_TEST_FOLDER";
const WRITERS: u64 = 8;

/// Three events over two streams, all of which carry the number.
fn numbered(number: u64) -> Append {
    let event = |part: u64| NewEvent {
        data: Bytes::from(number.to_string()),
        ..sample::event(number * 3 + part)
    };
    let mut a = sample::part(&sample::name(&format!("a{}", number % 5)), Expected::Any, []);
    let mut b = sample::part(&sample::name(&format!("b{}", number % 3)), Expected::Any, []);
    a.events = vec![event(0), event(1)];
    b.events = vec![event(2)];
    sample::keyed(sample::append(vec![a, b]), &format!("k{number}"), 1)
}

/// The child: writes and says what was acknowledged, until it is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder)).await;
    let first = events(&store).await.len() as u64;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..400 {
                    let number = first + round * WRITERS + writer;
                    store.append(numbered(number)).await.unwrap();
                    say(&format!("ack {number}"));
                }
            })
        })
        .collect();
    let beside = tokio::spawn(write_beside(store.clone()));
    for writer in writers {
        writer.await.unwrap();
    }
    beside.await.unwrap();
    say("done");
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Snapshots and projections, whose rows carry the position of the cursor.
async fn write_beside(store: Arc<SqliteStore>) {
    for round in 0..100 {
        let from = store.cursor("p", LANE).await.unwrap().position;
        let to = Cursor { projection: "p".to_owned(), lane: LANE, position: from + 1 };
        let state = StateRows { players: vec![player(from + 1)], matches: vec![] };
        let documents = TableRows::Documents(vec![aggregate(from + 1)]);
        let rows = vec![documents, TableRows::State(state)];
        store.write(Projected { from, to, rows }).await.unwrap();
        say(&format!("projected {}", from + 1));
        let state = Bytes::from(vec![round as u8; 20_000]);
        let stream = sample::name("a0");
        let snapshot = Snapshot { stream, version: round, reducer: 1, time_us: 0, state };
        store.put_snapshot(snapshot).await.unwrap();
    }
}

fn aggregate(version: u64) -> AggregateRow {
    AggregateRow {
        aggregate_type: "player".to_owned(),
        id: "one".to_owned(),
        version,
        deleted: false,
        created_us: 0,
        updated_us: 0,
        reducer: 1,
        state: Bytes::new(),
    }
}

fn player(version: u64) -> PlayerRow {
    PlayerRow {
        player_id: "one".to_owned(),
        deleted: false,
        status: String::new(),
        level: 1,
        experience: 0,
        health: 1.0,
        position: [0.0; 3],
        inventory: "{}".to_owned(),
        statistics: "{}".to_owned(),
        achievements: "[]".to_owned(),
        last_updated_us: 0,
        version,
    }
}

fn start(folder: &Path, fault: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env_remove("GAMEMESH_FAULT")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(fault) = fault {
        command.env("GAMEMESH_FAULT", fault);
    }
    command.spawn().unwrap()
}

/// What the child said until its end.
#[derive(Default)]
struct Said {
    acknowledged: BTreeSet<u64>,
    projected: u64,
    done: bool,
}

fn listen(child: &mut Child, kill: impl Fn(&Said) -> bool) -> Said {
    let mut said = Said::default();
    let mut killed = false;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        // The test harness may write on the same line before the child does.
        if let Some((_, number)) = line.rsplit_once("ack ") {
            said.acknowledged.insert(number.parse().unwrap());
        } else if let Some((_, position)) = line.rsplit_once("projected ") {
            said.projected = position.parse().unwrap();
        } else if line.ends_with("done") {
            said.done = true;
        }
        if !killed && kill(&said) {
            child.kill().unwrap();
            killed = true;
        }
    }
    said
}

/// Everything acknowledged is there, once and whole; everything else is whole or absent.
async fn examine(folder: &Path, said: &Said) {
    let store = open(folder).await;
    let report = store.verify().await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let mut appends: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for event in events(&store).await {
        let number = std::str::from_utf8(&event.data).unwrap().parse().unwrap();
        appends.entry(number).or_default().push(event.position);
    }
    for (number, positions) in &appends {
        let first = positions[0];
        assert_eq!(positions[..], [first, first + 1, first + 2], "append {number}");
        let (kept, _) = store.idempotent(&format!("k{number}")).await.unwrap().unwrap();
        assert_eq!(kept.streams[1].last_position, first + 2);
    }
    for number in &said.acknowledged {
        assert!(appends.contains_key(number), "append {number} was acknowledged and is lost");
        assert!(store.append(numbered(*number)).await.unwrap().repeated);
    }
    let cursor = store.cursor("p", LANE).await.unwrap().position;
    assert!(cursor >= said.projected);
    let versions = (
        store.player("one").await.unwrap().map_or(0, |row| row.version),
        store.aggregate("player", "one").await.unwrap().map_or(0, |row| row.version),
    );
    assert_eq!(versions, (cursor, cursor));
    if let Some(snapshot) = store.snapshot_at(&sample::name("a0"), u64::MAX, 1).await.unwrap() {
        assert!(snapshot.state.iter().all(|byte| u64::from(*byte) == snapshot.version));
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for _ in 0..12 {
        let after = rand::rng().random_range(1..300);
        let mut child = start(folder.path(), None);
        let said = listen(&mut child, |said| said.acknowledged.len() >= after);
        child.wait().unwrap();
        acknowledged += said.acknowledged.len();
        examine(folder.path(), &said).await;
    }
    assert!(acknowledged > 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_at_every_fault_point() {
    for fault in [
        "sqlite.mid_batch",
        "sqlite.mid_batch:20",
        "sqlite.before_commit",
        "sqlite.before_commit:25",
        "sqlite.after_commit",
        "sqlite.after_commit:25",
        "sqlite.mid_snapshot:3",
        "sqlite.mid_projection:3",
    ] {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut child = start(folder.path(), Some(fault));
            let said = listen(&mut child, |_| false);
            assert!(!child.wait().unwrap().success() && !said.done, "{fault} was not passed");
            examine(folder.path(), &said).await;
        }
    }
}

/// The commit is done and its reply is lost: the callers are told that it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), Some("sqlite.commit_reply:10"));
    let said = listen(&mut child, |said| said.acknowledged.len() > 1_000);
    child.wait().unwrap();
    assert!(said.acknowledged.len() > 1_000, "the child gave up after {}", said.acknowledged.len());
    examine(folder.path(), &said).await;
}

/// The write-ahead log ends anywhere, or in rubbish: what opens is a prefix of whole batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_write_ahead_log_is_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 60).await;
    let truth = events(&store).await;
    let wal_of = |folder: &Path| folder.join("store.db-wal");
    let (database, wal) = (
        std::fs::read(file(folder.path())).unwrap(),
        std::fs::read(wal_of(folder.path())).unwrap(),
    );
    store.close().await;
    let mut lengths = BTreeSet::new();
    for _ in 0..40 {
        let torn = tempfile::tempdir().unwrap();
        let cut = rand::rng().random_range(wal.len() / 2..=wal.len());
        let mut wal = wal[..cut].to_vec();
        let rubbish = rand::rng().random_range(0..5_000);
        wal.extend((0..rubbish).map(|_| rand::rng().random::<u8>()));
        std::fs::write(file(torn.path()), &database).unwrap();
        std::fs::write(wal_of(torn.path()), wal).unwrap();
        let store = open(torn.path()).await;
        let read = events(&store).await;
        assert_eq!(read[..], truth[..read.len()]);
        assert!(store.verify().await.unwrap().is_clean());
        store.append(crate::nth(1_000)).await.unwrap();
        lengths.insert(read.len());
        store.close().await;
    }
    assert!(lengths.len() > 5, "{lengths:?}");
}
