//! What is read together is what it would be by itself.

use std::fmt::Debug;

use bytes::Bytes;

use super::Fixture;
use super::sample::{name, one};
use super::tables::{aggregate, documents, step};
use crate::{AggregateRow, Direction, Expected, LogError, Snapshot, StreamName};

/// `LogError` is not compared; nothing here fails.
fn answered<T: Debug>(answers: Vec<Result<T, LogError>>) -> Vec<T> {
    answers.into_iter().map(Result::unwrap).collect()
}

pub async fn streams_are_read_as_by_themselves<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let store = fixture.store();
    let keys = ["long", "short", "", "a/b", "nul\0inside", "🦀", "SHORT"];
    let mut number = 0;
    for key in keys {
        for _ in 0..if key == "long" { 9 } else { 2 } {
            store.append(one(&name(key), Expected::Any, [number])).await.unwrap();
            number += 1;
        }
    }
    drop(store);
    fixture.reopen().await;
    let store = fixture.store();
    let mut asked: Vec<_> = keys.map(|key| (name(key), 1)).to_vec();
    // In the middle, at the end, beyond it, before the first; again; and what is not there.
    let froms = [0, 5, 9, 10, 1 << 63, u64::MAX, 5];
    asked.extend(froms.map(|from| (name("long"), from)));
    asked.extend([(name("absent"), 1), (name("short"), 2), (name("absent"), 1)]);
    for limit in [0, 1, 2, 3, 9, usize::MAX] {
        let together = answered(store.read_streams(&asked, limit).await);
        assert_eq!(together.len(), asked.len());
        for (together, (stream, from)) in together.into_iter().zip(&asked) {
            let alone = store.read_stream(stream, *from, limit, Direction::Forward).await.unwrap();
            assert_eq!(together, alone, "{stream:?} from {from}, at most {limit}");
        }
    }
    for (stream, events) in [("long", 9), ("absent", 0)] {
        let alone = answered(store.read_streams(&[(name(stream), 1)], 100).await);
        assert_eq!(alone.iter().map(Vec::len).collect::<Vec<_>>(), [events]);
    }
    assert!(store.read_streams(&[], 100).await.is_empty());
}

pub async fn snapshots_are_read_as_by_themselves<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let snapshot = |stream: &StreamName, version, reducer| Snapshot {
        stream: stream.clone(),
        version,
        reducer,
        time_us: 7,
        state: Bytes::from(format!("{stream} at {version} by {reducer}")),
    };
    let streams = ["a", "b", "other reducer", "absent", "a"].map(name);
    for version in [3, 9, 6] {
        store.put_snapshot(snapshot(&streams[0], version, 1)).await.unwrap();
    }
    store.put_snapshot(snapshot(&streams[1], 1, 1)).await.unwrap();
    for stream in [&streams[0], &streams[2]] {
        store.put_snapshot(snapshot(stream, 12, u64::MAX)).await.unwrap();
    }
    for reducer in [1, u64::MAX, 5] {
        let together = answered(store.newest_snapshots(&streams, reducer).await);
        assert_eq!(together.len(), streams.len());
        for (together, stream) in together.into_iter().zip(&streams) {
            let alone = store.snapshot_at(stream, u64::MAX, reducer).await.unwrap();
            assert_eq!(together, alone, "{stream:?} by {reducer}");
        }
    }
    let newest = answered(store.newest_snapshots(&streams, 1).await);
    let versions: Vec<_> = newest.into_iter().map(|found| found.map(|s| s.version)).collect();
    assert_eq!(versions, [Some(9), Some(1), None, None, Some(9)]);
    assert!(store.newest_snapshots(&[], 1).await.is_empty());
}

pub async fn rows_are_read_as_by_themselves<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let aggregates = vec![
        aggregate("guild", "g", 3),
        aggregate("world", "g", 4),
        aggregate("guild", "G", 5),
        aggregate("guild", "a/b", 6),
        aggregate("guild", "", 7),
        AggregateRow { deleted: true, ..aggregate("guild", "gone", 8) },
    ];
    store.write(step("p", 0, vec![documents(aggregates)])).await.unwrap();
    let asked = [
        ("guild", "g"),
        ("world", "g"),
        ("guild", "absent"),
        ("guild", "G"),
        ("guild", "gone"),
        ("world", "G"),
        ("guild", "a/b"),
        ("guild", ""),
        ("guild", "g"),
    ];
    let streams = asked.map(|(category, key)| StreamName::new(category, key));
    let together = answered(store.aggregates(&streams).await);
    assert_eq!(together.len(), streams.len());
    let versions: Vec<_> = together.iter().map(|row| row.as_ref().map(|r| r.version)).collect();
    let expected = [3, 4, 0, 5, 8, 0, 6, 7, 3].map(|version| (version > 0).then_some(version));
    assert_eq!(versions, expected);
    for (together, (category, key)) in together.into_iter().zip(asked) {
        assert_eq!(together, store.aggregate(category, key).await.unwrap(), "{category}/{key}");
    }
    assert!(store.aggregates(&[]).await.is_empty());
}
