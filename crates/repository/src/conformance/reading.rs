//! Reading streams, lanes, heads and times.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::Fixture;
use super::sample::{append, at, name, one};
use crate::{
    Direction, EVENT_BYTES_MAX, Expected, KIND_BYTES_MAX, Lane, NewEvent, StreamAppend, StreamName,
};

pub async fn streams_both_ways<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (stream, noise) = (name("s"), name("noise"));
    for number in 0..10 {
        store.append(one(&stream, Expected::Any, [number])).await.unwrap();
        store.append(one(&noise, Expected::Any, [100 + number])).await.unwrap();
    }
    let cases: [(u64, usize, Direction, &[u64]); 12] = [
        (1, 3, Direction::Forward, &[1, 2, 3]),
        (0, 2, Direction::Forward, &[1, 2]),
        (9, 5, Direction::Forward, &[9, 10]),
        (10, 1, Direction::Forward, &[10]),
        (11, 5, Direction::Forward, &[]),
        (1, 0, Direction::Forward, &[]),
        (3, 2, Direction::Backward, &[3, 2]),
        (3, 9, Direction::Backward, &[3, 2, 1]),
        (10, 1, Direction::Backward, &[10]),
        (99, 2, Direction::Backward, &[10, 9]),
        (0, 5, Direction::Backward, &[]),
        (5, 0, Direction::Backward, &[]),
    ];
    for (from, limit, direction, expected) in cases {
        let read = store.read_stream(&stream, from, limit, direction).await.unwrap();
        let versions: Vec<_> = read.iter().map(|e| e.version).collect();
        assert_eq!(versions, expected, "{from} {limit} {direction:?}");
        assert!(read.iter().all(|e| e.stream == stream));
    }
    let absent = store.read_stream(&name("absent"), 1, 5, Direction::Forward).await.unwrap();
    assert!(absent.is_empty());
}

pub async fn lanes_in_order<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let mut expected: BTreeMap<Lane, Vec<(StreamName, u64)>> = BTreeMap::new();
    for number in 0..30 {
        let stream = name(&format!("s{}", number % 4));
        let appended = store.append(one(&stream, Expected::Any, [number])).await.unwrap();
        let written = &appended.streams[0];
        let lane = expected.entry(written.lane).or_default();
        lane.push((stream, written.last_version));
        assert_eq!(written.last_position, lane.len() as u64);
    }
    for (lane, expected) in expected {
        for after in 0..=expected.len() {
            for limit in [0, 1, 4, 1_000] {
                let read = store.read_lane(lane, after as u64, limit).await.unwrap();
                let read: Vec<_> = read.into_iter().map(|e| (e.stream, e.version)).collect();
                let end = expected.len().min(after + limit);
                assert_eq!(read, expected[after..end], "after {after}, limit {limit}");
            }
        }
    }
}

pub async fn heads_and_times<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let (stream, other) = (name("s"), name("other"));
    assert_eq!(store.head(&stream).await.unwrap(), None);
    assert_eq!(store.version_at(&stream, i64::MAX).await.unwrap(), 0);
    for (numbers, now_us) in [(0..1, 100), (1..3, 200), (3..4, 200), (4..5, 300)] {
        store.append(at(one(&stream, Expected::Any, numbers), now_us)).await.unwrap();
        store.append(at(one(&other, Expected::Any, [99]), now_us + 50)).await.unwrap();
    }
    // The other stream pushes the lane's time where both share one.
    let read = store.read_stream(&stream, 1, 10, Direction::Forward).await.unwrap();
    let times: Vec<_> = read.iter().map(|e| e.time_us).collect();
    let head = store.head(&stream).await.unwrap().unwrap();
    assert_eq!((head.version, head.time_us, head.stream), (5, times[4], stream.clone()));
    let moments = times.iter().flat_map(|time| [time - 1, *time, time + 1]);
    for moment in moments.chain([i64::MIN, 0, i64::MAX]) {
        let expected = times.iter().filter(|time| **time <= moment).count() as u64;
        assert_eq!(store.version_at(&stream, moment).await.unwrap(), expected, "at {moment}");
    }
}

pub async fn every_name_and_content<F: Fixture>() {
    let mut fixture = F::fresh().await;
    let keys =
        ["a", "", "a/b/c", "with space", "КЛЮЧ", "🦀", "nul\0inside", "%00", "'\"\\;--", "A"];
    let longest = "k".repeat(1_000);
    let kinds = ["k".to_owned(), "é.ю".to_owned(), "k".repeat(KIND_BYTES_MAX)];
    let contents: [(Bytes, Bytes); 4] = [
        (Bytes::new(), Bytes::new()),
        (Bytes::from_static(&[0, 255, 0]), Bytes::from_static(b"\0")),
        (Bytes::from((0..=255).collect::<Vec<u8>>()), Bytes::from(vec![128; 5_000])),
        (Bytes::from(vec![1; EVENT_BYTES_MAX - 1]), Bytes::from_static(b"m")),
    ];
    let ids = [Uuid::nil(), Uuid::max(), Uuid::from_u128(7)];
    let mut written = Vec::new();
    for (at, key) in keys.into_iter().chain([longest.as_str()]).enumerate() {
        let (data, meta) = contents[at % contents.len()].clone();
        let kind = kinds[at % kinds.len()].as_str().into();
        let event = NewEvent { id: ids[at % ids.len()], kind, data, meta };
        let stream = name(key);
        let (expected, events) = (Expected::Exact(0), vec![event.clone()]);
        let part = StreamAppend { stream: stream.clone(), expected, events };
        fixture.store().append(append(vec![part])).await.unwrap();
        written.push((stream, event));
    }
    fixture.reopen().await;
    let store = fixture.store();
    for (stream, event) in written {
        let read = store.read_stream(&stream, 1, 10, Direction::Forward).await.unwrap();
        assert_eq!(read.len(), 1, "{stream:?}");
        let NewEvent { id, kind, data, meta } = event;
        assert_eq!((read[0].id, &read[0].kind), (id, &kind));
        assert!(read[0].data == data && read[0].meta == meta, "{stream:?}");
        let head = store.head(&stream).await.unwrap().unwrap();
        assert_eq!((head.version, head.lane), (1, stream.lane(store.lanes())));
    }
    assert!(store.verify().await.unwrap().is_clean());
}

pub async fn numbers_out_of_range<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stream = name("s");
    let lane = stream.lane(store.lanes());
    for now_us in [i64::MIN, 0, i64::MAX] {
        store.append(at(one(&stream, Expected::Any, [1]), now_us)).await.unwrap();
    }
    for beyond in [4, 1 << 63, u64::MAX] {
        let forward = store.read_stream(&stream, beyond, 5, Direction::Forward).await.unwrap();
        assert!(forward.is_empty());
        let backward = store.read_stream(&stream, beyond, 5, Direction::Backward).await.unwrap();
        assert_eq!(backward.len(), 3);
        assert!(store.read_lane(lane, beyond, 5).await.unwrap().is_empty());
    }
    assert_eq!(store.read_lane(lane, 0, usize::MAX).await.unwrap().len(), 3);
    assert!(store.read_lane(Lane(store.lanes()), 0, 5).await.unwrap().is_empty());
    assert_eq!(store.version_at(&stream, i64::MIN).await.unwrap(), 1);
}
