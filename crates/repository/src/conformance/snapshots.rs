//! Snapshots.

use bytes::Bytes;

use super::Fixture;
use super::sample::name;
use crate::{Snapshot, StreamName};

fn snapshot(stream: &StreamName, version: u64, reducer: u64, state: &str) -> Snapshot {
    let state = Bytes::from(state.to_owned());
    Snapshot { stream: stream.clone(), version, reducer, time_us: version as i64 * 10, state }
}

pub async fn the_newest_at_or_below<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b) = (name("a"), name("b"));
    for version in [100, 10, 50] {
        store.put_snapshot(snapshot(&a, version, 1, "one")).await.unwrap();
    }
    store.put_snapshot(snapshot(&a, 60, u64::MAX, "other reducer")).await.unwrap();
    store.put_snapshot(snapshot(&b, 70, 1, "other stream")).await.unwrap();
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    let cases = [
        (9, None),
        (10, Some(10)),
        (49, Some(10)),
        (99, Some(50)),
        (100, Some(100)),
        (u64::MAX, Some(100)),
    ];
    for (version, found) in cases {
        let snapshot_found = store.snapshot_at(&a, version, 1).await.unwrap();
        assert_eq!(snapshot_found, found.map(|found| snapshot(&a, found, 1, "one")), "{version}");
    }
    let other = store.snapshot_at(&a, 100, u64::MAX).await.unwrap();
    assert_eq!(other, Some(snapshot(&a, 60, u64::MAX, "other reducer")));
    assert_eq!(store.snapshot_at(&a, 100, 2).await.unwrap(), None);
}

pub async fn a_snapshot_is_replaced<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    store.put_snapshot(snapshot(&stream, 5, 1, "wrong")).await.unwrap();
    store.put_snapshot(snapshot(&stream, 5, 1, "")).await.unwrap();
    let found = store.snapshot_at(&stream, 5, 1).await.unwrap();
    assert_eq!(found, Some(snapshot(&stream, 5, 1, "")));
}

pub async fn forgetting_is_by_stream<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (a, b) = (name("a"), name("b"));
    for (stream, reducer) in [(&a, 1), (&a, 2), (&b, 1)] {
        store.put_snapshot(snapshot(stream, 5, reducer, "s")).await.unwrap();
    }
    store.forget_snapshots(&a).await.unwrap();
    assert_eq!(store.snapshot_at(&a, 9, 1).await.unwrap(), None);
    assert_eq!(store.snapshot_at(&a, 9, 2).await.unwrap(), None);
    assert!(store.snapshot_at(&b, 9, 1).await.unwrap().is_some());
    store.forget_snapshots(&name("never")).await.unwrap();
}
