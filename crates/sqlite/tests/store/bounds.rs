//! Every queue has an end, and nothing grows for ever.

use bytes::Bytes;
use futures::future::join_all;
use gamemesh_repository::{AppendError, EventLog, Idempotency, LogError, Snapshot, Snapshots};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};

use crate::{nth, open, sample, url};

/// On one thread the writer cannot run before the first await, so the queue fills.
#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    const QUEUE_COMMANDS: u64 = 16_384;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let pending: Vec<_> =
        (0..QUEUE_COMMANDS + 10).map(|number| store.append(nth(number))).collect();
    for (at, result) in join_all(pending).await.into_iter().enumerate() {
        if (at as u64) < QUEUE_COMMANDS {
            assert_eq!(result.unwrap().streams[0].last_position, at as u64 + 1);
        } else {
            assert!(matches!(result, Err(AppendError::Log(LogError::Overloaded))), "{result:?}");
        }
    }
    store.append(nth(QUEUE_COMMANDS)).await.unwrap();
}

#[tokio::test]
async fn the_queue_counts_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let state = Bytes::from(vec![0; 60 << 20]);
    let snapshot = |version| Snapshot {
        stream: sample::name("s"),
        version,
        reducer: 1,
        time_us: 0,
        state: state.clone(),
    };
    let results = join_all((0..3).map(|version| store.put_snapshot(snapshot(version)))).await;
    let refused = |result: &Result<(), LogError>| matches!(result, Err(LogError::Overloaded));
    assert!(results[0].is_ok() && results[1].is_ok() && refused(&results[2]), "{results:?}");
    store.put_snapshot(snapshot(4)).await.unwrap();
}

#[tokio::test]
async fn readers_wait_in_a_bounded_line() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { readers: 1, waiters_max: 3, ..SqliteOptions::default() };
    let store = SqliteStore::open(&url(folder.path()), options).await.unwrap();
    let results = join_all((0..10).map(|_| store.ping())).await;
    let served = results.iter().filter(|result| result.is_ok()).count();
    let refused =
        results.iter().filter(|result| matches!(result, Err(LogError::PoolExhausted))).count();
    assert_eq!((served, refused), (4, 6));
    store.ping().await.unwrap();
}

#[tokio::test]
async fn old_keys_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let keyed =
        |number, now_us| sample::at(sample::keyed(nth(number), &format!("k{number}"), 1), now_us);
    for number in 0..100 {
        store.append(keyed(number, 0)).await.unwrap();
    }
    // At the edge of the window all are remembered, and a moment later they go.
    store.append(keyed(100, Idempotency::WINDOW_US)).await.unwrap();
    assert_eq!(store.stats().await.unwrap().keys, 101);
    assert!(store.append(keyed(0, Idempotency::WINDOW_US)).await.unwrap().repeated);
    for number in 101..105 {
        store.append(keyed(number, Idempotency::WINDOW_US + 1)).await.unwrap();
    }
    assert_eq!(store.stats().await.unwrap().keys, 5);
    assert!(!store.append(keyed(0, Idempotency::WINDOW_US + 1)).await.unwrap().repeated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_starts_anew() {
    const MIB: u64 = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let state = Bytes::from(vec![7; MIB as usize]);
    for written in 1..=400 {
        // Snapshots, since also what moves no tail must be copied.
        let stream = sample::name(&format!("s{}", written % 8));
        let state = state.clone();
        let snapshot = Snapshot { stream, version: 1, reducer: 1, time_us: 0, state };
        store.put_snapshot(snapshot).await.unwrap();
        if store.stats().await.unwrap().wal_bytes + 32 * MIB < written * MIB {
            return;
        }
    }
    panic!("400 MiB were written and the write-ahead log only grew");
}
