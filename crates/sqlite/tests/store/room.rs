//! No room: a typed error for writes, reads go on, and writes again when there is room.

use std::path::Path;

use bytes::Bytes;
use gamemesh_repository::{AppendError, EventLog, LogError, NewEvent, Snapshot, Snapshots};
use gamemesh_sqlite::{SqliteOptions, SqliteStore};

use crate::opening::Mount;
use crate::{events, nth, open, sample, url};

fn large(number: u64) -> gamemesh_repository::Append {
    let mut append = nth(number);
    for NewEvent { data, .. } in &mut append.streams[0].events {
        *data = Bytes::from(vec![number as u8; 40_000]);
    }
    append
}

/// Appends until there is no room; how many were acknowledged.
async fn fill(store: &SqliteStore) -> u64 {
    for number in 0..10_000 {
        match store.append(large(number)).await {
            Ok(_) => {}
            Err(AppendError::Log(LogError::Full)) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there was room without end");
}

async fn reads_go_on(store: &SqliteStore, acknowledged: u64) {
    let read = events(store).await;
    assert_eq!(read.len() as u64, acknowledged);
    assert_eq!(*store.tail(crate::LANE).borrow(), acknowledged);
    let report = store.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_bounded_file_fills_up() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { file_bytes_max: Some(1 << 20), ..SqliteOptions::default() };
    let store = SqliteStore::open(&url(folder.path()), options).await.unwrap();
    let acknowledged = fill(&store).await;
    assert!((5..30).contains(&acknowledged), "{acknowledged}");
    reads_go_on(&store, acknowledged).await;
    let state = Bytes::from(vec![0; 100_000]);
    let stream = sample::name("s0");
    let snapshot = Snapshot { stream: stream.clone(), version: 1, reducer: 1, time_us: 0, state };
    assert!(matches!(store.put_snapshot(snapshot).await, Err(LogError::Full)));
    // A retry of what is there needs no room.
    let first = store.append(large(0)).await;
    assert!(matches!(first, Err(AppendError::Log(LogError::Full))));
    let exact = sample::one(&stream, gamemesh_repository::Expected::Exact(0), [7]);
    assert!(matches!(store.append(exact).await, Err(AppendError::Conflict { .. })));
    store.close().await;
    let store = open(folder.path()).await;
    store.append(large(99)).await.unwrap();
    reads_go_on(&store, acknowledged + 1).await;
}

/// Needs the right to mount a small file system.
#[tokio::test]
async fn a_full_disk_and_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(folder.path(), "6m") else { return };
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let store = open(folder.path()).await;
    let acknowledged = fill(&store).await;
    reads_go_on(&store, acknowledged).await;
    // Full stays full, and nothing is written by halves.
    for number in 0..20 {
        let refused = store.append(large(number)).await;
        assert!(matches!(refused, Err(AppendError::Log(LogError::Full))), "{refused:?}");
    }
    reads_go_on(&store, acknowledged).await;
    std::fs::remove_file(&ballast).unwrap();
    for number in 0..10 {
        store.append(large(number)).await.unwrap();
    }
    reads_go_on(&store, acknowledged + 10).await;
    store.close().await;
    reopened(folder.path(), acknowledged + 10).await;
}

async fn reopened(folder: &Path, expected: u64) {
    let store = open(folder).await;
    reads_go_on(&store, expected).await;
    store.close().await;
}
