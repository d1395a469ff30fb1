//! Damage and tampering are found, and never read as if nothing were wrong.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use gamemesh_repository::{AppendError, Direction, EventLog, LogError, Snapshot, Snapshots};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};
use rand::{Rng, SeedableRng};
use sqlx::{ConnectOptions, Connection};

use crate::{LANE, events, file, filled, open, open_read_only, sample, tamper, url};

const EVENTS: u64 = 12;

#[tokio::test]
async fn tampering_is_found() {
    // What was done, what is said about it, whether a read of the lane meets it.
    let cases = [
        ("UPDATE event SET data = x'00' WHERE position = 5", "the checksum", true),
        ("UPDATE event SET meta = x'' WHERE position = 5", "the checksum", true),
        ("UPDATE event SET kind = 'test.happenee' WHERE position = 5", "the checksum", true),
        ("UPDATE event SET time_us = time_us + 1 WHERE position = 5", "the checksum", true),
        ("UPDATE event SET id = zeroblob(16) WHERE position = 5", "the checksum", true),
        ("UPDATE event SET crc = crc + 1 WHERE position = 5", "the checksum", true),
        ("UPDATE event SET version = 99 WHERE position = 5", "the checksum", true),
        ("UPDATE event SET id = x'01' WHERE position = 5", "invalid length", true),
        ("UPDATE stream SET name = 'test/other' WHERE name = 'test/s1'", "the checksum", true),
        ("UPDATE stream SET name = 'nothing' WHERE name = 'test/s1'", "has no stream", true),
        ("DELETE FROM stream WHERE name = 'test/s1'", "has no stream", true),
        ("DELETE FROM event WHERE position = 5", "0 are there", true),
        ("UPDATE batch SET chain = zeroblob(32) WHERE first_position = 5", "the chain", false),
        ("UPDATE batch SET chain = x'00' WHERE first_position = 5", "the chain", false),
        ("DELETE FROM batch WHERE first_position = 5", "no batch covers", false),
        ("UPDATE batch SET events = 2 WHERE first_position = 5", "the chain", false),
        ("UPDATE batch SET events = 1 << 40 WHERE first_position = 5", "the batch has", false),
        ("INSERT INTO stream (id, name) VALUES (77, 'test/x')", "a stream without events", false),
    ];
    for (sql, what, read_meets) in cases {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), EVENTS).await.close().await;
        tamper(folder.path(), sql).await;
        let store = open(folder.path()).await;
        let report = store.verify().await.unwrap();
        assert!(!report.is_clean(), "{sql}");
        let said = report.violations.iter().any(|violation| violation.what.contains(what));
        assert!(said, "{sql}: {report:#?}");
        let read = store.read_lane(LANE, 0, usize::MAX).await;
        assert_eq!(matches!(read, Err(LogError::Corrupted(_))), read_meets, "{sql}: {read:?}");
        store.close().await;
    }
}

/// Streams that are read together are damaged each by itself.
#[tokio::test]
async fn damage_is_the_answer_of_the_damaged_only() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), EVENTS).await.close().await;
    tamper(folder.path(), "UPDATE event SET data = x'00' WHERE position = 5").await;
    let store = open(folder.path()).await;
    let asked = ["s0", "s1", "s2"].map(|key| (sample::name(key), 1));
    let answers = store.read_streams(&asked, usize::MAX).await;
    let read = answers.iter().map(|answer| answer.as_ref().map_or(0, Vec::len));
    assert_eq!(read.collect::<Vec<_>>(), [4, 0, 4]);
    assert!(matches!(&answers[1], Err(LogError::Corrupted(_))), "{answers:?}");
    store.close().await;
}

/// Whoever forges an event with its checksum would have to forge every later link of the chain.
#[tokio::test]
async fn a_forged_event_breaks_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), EVENTS).await;
    let mut forged = events(&store).await.swap_remove(4);
    store.close().await;
    forged.data = Bytes::from_static(b"forged");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(folder.path()));
    let mut connection = options.connect().await.unwrap();
    sqlx::query("UPDATE event SET data = ?1, crc = ?2 WHERE position = 5")
        .bind(&forged.data[..])
        .bind(i64::from(gamemesh_repository::event_crc(&forged)))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let report = open_read_only(folder.path()).await.verify().await.unwrap();
    let broken: Vec<_> = report.violations.iter().map(|v| (v.position, v.what.as_str())).collect();
    assert_eq!(broken, [(5, "the chain is broken at this batch")]);
}

#[tokio::test]
async fn an_end_that_does_not_fit_is_refused() {
    for sql in [
        "DELETE FROM batch WHERE first_position = 12",
        "DELETE FROM event WHERE position = 12",
        "UPDATE batch SET chain = x'00' WHERE first_position = 12",
    ] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), EVENTS).await.close().await;
        tamper(folder.path(), sql).await;
        let error = SqliteStore::open(&url(folder.path()), SqliteOptions::default()).await.err();
        assert!(error.unwrap().to_string().contains("stored bytes are damaged"), "{sql}");
        let report = open_read_only(folder.path()).await.verify().await.unwrap();
        assert!(!report.is_clean(), "{sql}");
    }
}

#[tokio::test]
async fn a_damaged_snapshot_or_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 3).await;
    let stream = sample::name("s0");
    for version in [1, 2] {
        let state = Bytes::from(format!("state {version}"));
        let snapshot = Snapshot { stream: stream.clone(), version, reducer: 1, time_us: 0, state };
        store.put_snapshot(snapshot).await.unwrap();
    }
    let keyed = sample::keyed(crate::nth(9), "k", 1);
    store.append(keyed).await.unwrap();
    store.close().await;
    tamper(
        folder.path(),
        "UPDATE snapshot SET state = x'00'; UPDATE idempotency SET streams = x'00'",
    )
    .await;
    let store = open(folder.path()).await;
    assert_eq!(store.snapshot_at(&stream, 2, 1).await.unwrap(), None);
    assert!(matches!(store.idempotent("k").await, Err(LogError::Corrupted(_))));
    let (damaged, sound) = (sample::keyed(crate::nth(9), "k", 1), crate::nth(10));
    let (damaged, sound) = (store.append(damaged), store.append(sound));
    assert!(matches!(damaged.await, Err(AppendError::Log(LogError::Corrupted(_)))));
    assert!(!sound.await.unwrap().repeated);
    store.close().await;
}

/// Flips bits all over the file. Every read must be right or an error, and what is wrong with the
/// log must be in the report.
#[tokio::test]
async fn no_flipped_bit_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 300).await;
    let truth = events(&store).await;
    store.close().await;
    let bytes = std::fs::read(file(folder.path())).unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let mut outcomes = BTreeSet::new();
    for _ in 0..300 {
        let damaged = tempfile::tempdir().unwrap();
        let mut copy = bytes.clone();
        let bit = random.random_range(0..copy.len() * 8);
        copy[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(file(damaged.path()), copy).unwrap();
        outcomes.insert(examine(damaged.path(), &truth, bit).await);
    }
    assert!(outcomes.contains("found") && outcomes.contains("harmless"), "{outcomes:?}");
}

async fn examine(folder: &Path, truth: &[gamemesh_repository::Event], bit: usize) -> &'static str {
    let options = SqliteOptions { read_only: true, ..SqliteOptions::default() };
    let Ok(store) = SqliteStore::open(&url(folder), options).await else { return "refused" };
    let lane = store.read_lane(LANE, 0, usize::MAX).await;
    if let Ok(read) = &lane {
        // A tree that lost its end reads short: the report must say so.
        assert_eq!(read[..], truth[..read.len()], "bit {bit}");
    }
    let mut streams_right = true;
    for key in ["s0", "s1", "s2"] {
        let stream = sample::name(key);
        let expected: Vec<_> = truth.iter().filter(|event| event.stream == stream).collect();
        let read = store.read_stream(&stream, 1, usize::MAX, Direction::Forward).await;
        if let Ok(read) = &read {
            assert!(read.iter().eq(expected[..read.len()].iter().copied()), "bit {bit}");
        }
        streams_right &= read.is_ok_and(|read| read.len() == expected.len());
    }
    let right = streams_right && lane.is_ok_and(|read| read.len() == truth.len());
    let clean = store.verify().await.is_ok_and(|report| report.is_clean());
    store.close().await;
    assert!(right || !clean, "bit {bit}: reads are wrong and the report is clean");
    if clean { "harmless" } else { "found" }
}
